"""Terraform: parses, is formatted, its modules fit together, its names are the server's, and Checkov agrees.

The provider's own validation needs its download; what is checked here needs none.
"""

import functools
import json
import re
import shutil
import subprocess
from pathlib import Path

import hcl2
import pytest
from conftest import ROOT

TERRAFORM = ROOT / "terraform"
MODULES = sorted(path.name for path in (TERRAFORM / "modules").iterdir())
ENVIRONMENTS = ["dev", "prod"]
SETTINGS = set(re.findall(r'"(FLASH_[A-Z_]+)"', (ROOT / "src/config.rs").read_text().split("NAMES")[1].split("];")[0]))
SETTINGS |= {"DATABASE_URL", "REDIS_URL", "AWS_REGION", "AWS_ENDPOINT_URL"}


@functools.cache
def load(path):
    return bare(hcl2.loads(path.read_text()))


def bare(value):
    """Names without the quotes that the parser keeps."""
    if isinstance(value, dict):
        return {bare(key): bare(inner) for key, inner in value.items() if not str(key).startswith("__")}
    if isinstance(value, list):
        return [bare(inner) for inner in value]
    return value.strip('"') if isinstance(value, str) else value


def blocks(directory, kind):
    """All blocks of a kind with one label in a directory: label to body."""
    found = {}
    for path in sorted(directory.glob("*.tf")):
        for block in load(path).get(kind, []):
            found |= block
    return found


def text(directory):
    return "\n".join(path.read_text() for path in sorted(directory.glob("*.tf")))


@pytest.mark.parametrize("path", sorted(TERRAFORM.rglob("*.tf")), ids=lambda path: str(path.relative_to(TERRAFORM)))
def test_it_parses(path):
    assert load(path)


def test_it_is_formatted():
    if not shutil.which("terraform"):
        pytest.skip("there is no terraform here")
    ran = subprocess.run(["terraform", "fmt", "-check", "-recursive", TERRAFORM], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_modules_get_what_they_ask_for(environment):
    directory = TERRAFORM / "environments" / environment
    calls = blocks(directory, "module")
    assert calls
    for name, call in calls.items():
        module = (directory / call["source"]).resolve()
        variables = blocks(module, "variable")
        given = set(call) - {"source", "providers", "depends_on"}
        required = {variable for variable, body in variables.items() if "default" not in body}
        assert required <= given <= set(variables), f"{name}: missing {required - given}, unknown {given - set(variables)}"
    for name, output in re.findall(r"\bmodule\.(\w+)\.(\w+)", text(directory)):
        outputs = blocks((directory / calls[name]["source"]).resolve(), "output")
        assert output in outputs, f"module.{name}.{output}"


@pytest.mark.parametrize("directory", [f"modules/{name}" for name in MODULES] + [f"environments/{name}" for name in ENVIRONMENTS])
def test_every_reference_has_its_declaration(directory):
    directory = TERRAFORM / directory
    source = re.sub(r"(?m)^\s*#.*$", "", text(directory))
    variables, outputs = blocks(directory, "variable"), blocks(directory, "output")
    used = set(re.findall(r"\bvar\.(\w+)", source))
    assert used == set(variables), used ^ set(variables)
    for declared in [*variables.values(), *outputs.values()]:
        assert declared.get("description"), f"{directory}: a variable or output says nothing about itself"
    declared_locals = set()
    for path in directory.glob("*.tf"):
        for block in load(path).get("locals", []):
            declared_locals |= set(block)
    assert set(re.findall(r"\blocal\.(\w+)", source)) == declared_locals
    for kind, pattern in [("resource", r"(?<![\w.])(aws_\w+|random_\w+)\.(\w+)"), ("data", r"\bdata\.(\w+)\.(\w+)"),
                          ("ephemeral", r"\bephemeral\.(\w+)\.(\w+)")]:  # fmt: skip
        declared = {(kind_of, name) for kind_of, named in multi(directory, kind) for name in named}
        referred = set(re.findall(pattern, re.sub(r"\bdata\.\w+|\bephemeral\.\w+", "", source) if kind == "resource" else source))
        assert referred <= declared, referred - declared


def multi(directory, kind):
    """Blocks of a kind with two labels: (type, {name: body})."""
    for path in directory.glob("*.tf"):
        for block in load(path).get(kind, []):
            yield from block.items()


def test_outputs_and_settings_are_named_as_the_server_names_them():
    for environment in ENVIRONMENTS:
        outputs = {name for name in blocks(TERRAFORM / "environments" / environment, "output") if name.isupper()}
        assert {"FLASH_SNS_TOPIC_ARN", "FLASH_SQS_QUEUE_URL"} <= outputs <= SETTINGS, outputs - SETTINGS
    service = text(TERRAFORM / "modules/service").split("settings = merge({")[1].split("environment = [")[0]
    named = set(re.findall(r"^\s+([A-Z_]+)\s+=", service, re.M))
    assert {"DATABASE_URL", "REDIS_URL", "FLASH_JWT_SECRET", "FLASH_BIND"} <= named <= SETTINGS, named - SETTINGS


def test_cloudwatch_asks_for_numbers_that_there_are():
    sources = "".join((ROOT / path).read_text() for path in ["src/metrics.rs", "src/live.rs", "src/serve.rs"])
    asked = set(re.findall(r'"(flash_[a-z_]+)"', text(TERRAFORM / "modules/alarms") + text(TERRAFORM / "modules/service")))
    assert len(asked) >= 3 and all(f'"{name}"' in sources for name in asked), asked


def test_checkov_agrees_and_every_exception_is_needed():
    ran = subprocess.run(
        [Path(__file__).parent / ".checkov/bin/checkov", "--directory", TERRAFORM, "--framework", "terraform",
         "--output", "json", "--compact", "--skip-download"],
        capture_output=True, text=True,
    )  # fmt: skip
    results = json.loads(ran.stdout)["results"]
    failed = [f"{check['check_id']} {check['resource']}: {check['check_name']}" for check in results["failed_checks"]]
    assert failed == []
    skipped = {(check["check_id"], Path(check["file_path"]).name) for check in results["skipped_checks"]}
    for path in TERRAFORM.rglob("*.tf"):
        for identity, reason in re.findall(r"checkov:skip=(\w+)(?::(.*))?", path.read_text()):
            assert reason, f"{path}: {identity} without a reason"
            assert (identity, path.name) in skipped, f"{path}: the exception {identity} is not needed"


def test_no_secret_and_no_account_is_written_down():
    everything = "".join(path.read_text() for path in TERRAFORM.rglob("*.tf"))
    assert not re.search(r"AKIA[0-9A-Z]{16}|\b\d{12}\b(?!0)", everything.replace("1209600", ""))
