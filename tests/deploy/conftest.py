"""What the tests of the deployment share: the real binary, free ports, what is in the repository.

Run by scripts/check-deploy, which installs what they need. Knows nothing about the product but its command line.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECRET = "tests-only-0123456789-abcdefghij-KLMNOP"
PATIENCE = 20


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, message, process=None):
    """Waits until what() is true; only a hang takes all of PATIENCE."""
    until = time.monotonic() + PATIENCE
    while not what():
        assert process is None or process.poll() is None, f"{message}: it ended with {process.returncode}"
        assert time.monotonic() < until, message
        time.sleep(0.02)


def accepts(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def tool(name):
    """A program that has to be there: scripts/check-deploy installs it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    assert found, f"{name} is missing: run scripts/check-deploy"
    return found


def interpolate(text, variables):
    """What Compose does with ${NAME:-default} and $$."""

    def value(match):
        if match.group(0) == "$$":
            return "$"
        name, default = match.group(1), match.group(2)
        return variables.get(name) or (default or "")

    return re.sub(r"\$\$|\$\{([A-Z_]+)(?::-([^}]*))?\}", value, text)


def env_file(path):
    """The assignments of a .env file."""
    lines = (line.strip() for line in Path(path).read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="session")
def binary():
    path = os.environ["FLASH_TEST_BIN"]
    assert os.access(path, os.X_OK), path
    return path


class Server:
    """A running `flash-promos serve` in a directory of its own."""

    def __init__(self, binary, directory, **settings):
        self.binary, self.directory = binary, directory
        self.environment = {"FLASH_BIND": "127.0.0.1:0", "FLASH_JWT_SECRET": SECRET, "FLASH_LOG": "warn", **settings}
        self.process = subprocess.Popen(
            [binary, "serve"], cwd=directory, env=self.environment, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://"), line
        self.url = line.split()[-1]
        self.address = self.url.removeprefix("http://")

    def run(self, *arguments, **settings):
        """Another command with the same settings."""
        return subprocess.run(
            [self.binary, *arguments],
            cwd=self.directory,
            env={**self.environment, "FLASH_BIND": self.address, **settings},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def wait_until_ready(self):
        wait_for(lambda: self.run("health").returncode == 0, "the server did not get ready", self.process)
        return self

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def start_server(binary, tmp_path):
    servers = []

    def start(directory=tmp_path, **settings):
        directory.mkdir(exist_ok=True)
        servers.append(Server(binary, directory, **settings))
        return servers[-1].wait_until_ready()

    yield start
    for server in servers:
        server.kill()
