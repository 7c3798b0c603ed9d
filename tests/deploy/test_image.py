"""The Dockerfile: lint, and that the context it sees holds what the build needs and nothing that it must not see."""

import fnmatch
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def tracked():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]


def in_context(path):
    """Whether .dockerignore lets a file in: the last line that matches it or a directory above decides."""
    parts = Path(path).parts
    prefixes = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    included = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        keeps, pattern = line.startswith("!"), line.lstrip("!")
        patterns = [pattern, pattern.removeprefix("**/")]
        names = prefixes + list(parts) if pattern.startswith("**/") else prefixes
        if any(fnmatch.fnmatch(name, one) for name in names for one in patterns):
            included = keeps
    return included


def test_hadolint_has_nothing_to_say():
    linted = subprocess.run(
        [Path(sys.executable).parent / "hadolint", "--failure-threshold", "info", "Dockerfile"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_context_holds_what_cargo_needs(tmp_path):
    for path in filter(in_context, tracked()):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target)
    listed = subprocess.run(
        ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stderr
    targets = [target for package in json.loads(listed.stdout)["packages"] for target in package["targets"]]
    assert any(target["name"] == "flash-promos" and "bin" in target["kind"] for target in targets)
    assert (tmp_path / "build.rs").exists() == (ROOT / "build.rs").exists()
    # What the sources embed lies inside of the context too.
    for source in (tmp_path / "src").rglob("*.rs"):
        product = source.read_text().split("#[cfg(test)]")[0]
        for folder in re.findall(r'#\[folder = "([^"]+)"', product):
            # Built by the image itself, from the sources beside it.
            assert folder.startswith("web/dist") and (tmp_path / "web/package-lock.json").exists(), folder
        for relative in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', product):
            assert (source.parent / relative).exists(), f"{source.relative_to(tmp_path)} embeds {relative}"


def test_what_is_copied_is_in_the_context():
    seen = {path for path in tracked() if in_context(path)}
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M):
        for source in line.split()[:-1]:
            assert source == "." or any(path == source or path.startswith(f"{source}/") for path in seen), source


def test_the_context_holds_no_secret_and_no_data():
    for path in [".env", "data/flash-promos.db", "data/flash-promos.db.jwt-secret", "deploy/nginx/tls/privkey.pem",
                 "target/release/flash-promos", ".git/config", "web/node_modules/x/y.js", "web/.env.local",
                 "terraform/environments/prod/terraform.tfstate"]:  # fmt: skip
        assert not in_context(path), path


def test_it_runs_as_nobody_and_checks_its_health():
    final = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    user = re.search(r"^USER (\d+):(\d+)$", final, re.M)
    assert user and int(user[1]) > 1000
    health = json.loads(re.search(r"HEALTHCHECK .*CMD (\[.*\])", final)[1])
    assert health == ["flash-promos", "health"]


def test_the_health_check_tells_ready_from_alive(start_server):
    server = start_server()
    assert server.run("health").returncode == 0 and server.run("health", "--live").returncode == 0
    # Bound to every address, it asks over the loopback.
    port = server.address.rpartition(":")[2]
    assert server.run("health", FLASH_BIND=f"0.0.0.0:{port}").returncode == 0
    server.stop()
    gone = server.run("health")
    assert gone.returncode == 1 and "readyz" in gone.stderr


def test_it_runs_on_a_read_only_system(start_server, tmp_path):
    """As in the container: settings by environment only, the embedded database in ./data, nothing else written."""
    server = start_server(tmp_path / "work")
    server.stop()
    written = sorted(str(path.relative_to(server.directory)) for path in server.directory.rglob("*") if path.is_file())
    assert all(path.startswith("data/") for path in written) and "data/flash-promos.db" in written, written


