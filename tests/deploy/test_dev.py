"""`make dev`: a change is served once it builds, and a change that does not build leaves what is served alone."""

import shlex
import signal
import subprocess
import sys
import urllib.request

import pytest
from conftest import ROOT, SECRET, free_port, wait_for

# Copies the real binary into place, as a build would, unless the source is broken.
BUILD = """
set -e
if grep -q broken src/main.rs; then echo "error: broken"; exit 1; fi
cp {binary} built.part
mv built.part built
"""


@pytest.fixture
def dev(binary, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.rs").write_text("first")
    (tmp_path / "build.sh").write_text(BUILD.format(binary=shlex.quote(binary)))
    port = free_port()
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, ROOT / "scripts/dev-watch.py", "--build", "sh build.sh", "--binary", "./built", "src", ".env"],
        cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", "FLASH_BIND": f"127.0.0.1:{port}", "FLASH_JWT_SECRET": SECRET},
    )  # fmt: skip
    yield process, f"http://127.0.0.1:{port}", tmp_path
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    log.close()


def answers(url):
    try:
        return urllib.request.urlopen(f"{url}/healthz", timeout=5).status == 200
    except OSError:
        return False


def test_a_change_is_served_once_it_builds(dev):
    process, url, directory = dev
    log = directory / "log"

    def listening():
        return log.read_text().count("listening on http")

    wait_for(lambda: listening() == 1 and answers(url), "nothing is served", process)

    (directory / "src/main.rs").write_text("broken")
    wait_for(lambda: "it does not build" in log.read_text(), "the broken change was not built", process)
    assert answers(url) and listening() == 1, "what ran before runs on"

    (directory / "src/main.rs").write_text("second")
    wait_for(lambda: listening() == 2 and answers(url), "the change is not served", process)

    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert not answers(url), "the server is stopped with it"
