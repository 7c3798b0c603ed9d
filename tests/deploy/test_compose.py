"""The Compose file: valid by the specification's schema, sound in its references, and its settings accepted by the binary."""

import json
import subprocess

import jsonschema
import pytest
import yaml
from conftest import ROOT, env_file, interpolate

TEXT = (ROOT / "docker-compose.yml").read_text()


def services(variables=None):
    return yaml.safe_load(interpolate(TEXT, variables or {}))["services"]


def dependencies(service):
    wanted = service.get("depends_on", {})
    return wanted if isinstance(wanted, dict) else {name: {"condition": "service_started"} for name in wanted}


def test_it_is_valid_by_the_specification():
    # The schema of the compose-spec project (Apache-2.0), as published on 2026-06-23.
    schema = json.loads((ROOT / "tests/deploy/compose-spec.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    assert [error.message for error in validator.iter_errors(yaml.safe_load(interpolate(TEXT, {})))] == []


def test_the_core_starts_alone_and_in_order():
    core = {name for name, service in services().items() if not service.get("profiles")}
    assert core == {"postgres", "redis", "migrate", "server"}
    by_profile = {}
    for name, service in services().items():
        for profile in service.get("profiles", []):
            by_profile.setdefault(profile, set()).add(name)
    assert by_profile == {
        "edge": {"nginx"},
        "aws": {"localstack"},
        "observe": {"prometheus", "grafana", "jaeger"},
    }
    server = dependencies(services()["server"])
    assert server["migrate"]["condition"] == "service_completed_successfully"
    assert dependencies(services()["migrate"])["postgres"]["condition"] == "service_healthy"


def test_nobody_waits_for_what_may_not_be_there():
    everything = services()
    for name, service in everything.items():
        for other, how in dependencies(service).items():
            assert other in everything, f"{name} waits for {other}"
            beyond = set(everything[other].get("profiles", [])) - set(service.get("profiles", []))
            assert not beyond or how.get("required") is False, f"{name} needs {other}, which {beyond} starts"
            if how["condition"] == "service_healthy":
                built = "build" in everything[other]
                assert built or "healthcheck" in everything[other], f"{other} has no health check"


def test_what_is_mounted_exists():
    for name, service in services().items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name}: {source}"


def test_images_are_pinned_and_ports_stay_on_this_machine():
    for name, service in services().items():
        tag = service["image"].rpartition(":")[2]
        assert "build" in service or (tag and tag != "latest" and any(c.isdigit() for c in tag)), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name}: {port}"


@pytest.mark.parametrize("files", [[], ["deploy/aws.env"], ["deploy/observe.env"], ["deploy/aws.env", "deploy/observe.env"]])
def test_the_binary_takes_the_settings(binary, tmp_path, files):
    variables = {"FLASH_JWT_SECRET": "q8Zr2vL0tYb6Nw4xKc9Hf1Gd7Sj3Pm5A", "FLASH_ENV": "production", "POSTGRES_PASSWORD": "p"}
    for file in files:
        variables |= env_file(ROOT / file)
    # Compose fills values in after it has read the file, so an empty one is an empty text.
    environment = {name: "" if value is None else str(value) for name, value in services(variables)["server"]["environment"].items()}
    checked = subprocess.run(
        [binary, "check-config"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=20
    )
    assert checked.returncode == 0, checked.stderr
    assert "PostgreSQL" in checked.stdout


def test_it_stops_later_than_the_server_drains():
    assert services()["server"]["stop_grace_period"] == "15s"
