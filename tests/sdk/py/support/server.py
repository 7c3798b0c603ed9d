"""Starts, stops and restarts the real binary on an embedded database, and speaks its HTTP interface.

Knows nothing of the live protocol. Blocking: tests on an event loop call `stop` and `run` in a thread.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]
BINARY = Path(os.environ.get("FLASH_TEST_BIN", ROOT / "target/release/flash-promos")).resolve()
SECRET = "a-fixed-secret-of-the-test-suites-0123456789abcdef"
START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 15


def in_ms(ms: int) -> str:
    """An instant so many milliseconds from now, as the interface writes it."""
    then = datetime.now(timezone.utc) + timedelta(milliseconds=ms)
    return then.strftime("%Y-%m-%dT%H:%M:%S.") + f"{then.microsecond // 1000:03d}Z"


def seconds_until(instant: str) -> float:
    """Seconds from now to an instant of the interface; negative once it is past."""
    return (datetime.fromisoformat(instant.replace("Z", "+00:00")) - datetime.now(timezone.utc)).total_seconds()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(token: str, **change: Any) -> str:
    """Signs a token again with other claims: the suites know the secret, clients do not."""
    header, payload, _ = token.split(".")
    claims = {**json.loads(base64.urlsafe_b64decode(payload + "==")), **change}
    signed = f"{header}.{_encode(json.dumps(claims).encode())}"
    return f"{signed}.{_encode(hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest())}"


@dataclass
class Answer:
    """An HTTP answer: its status and its parsed body."""

    status: int
    body: Any

    def expect(self, status: int) -> Any:
        """The body, if the status is the expected one."""
        assert self.status == status, f"expected HTTP {status}, got {self.status}: {self.body}"
        return self.body


class Server:
    """One running server; `settings` are added to the suite's own."""

    def __init__(self, **settings: str) -> None:
        self.settings = settings
        self.dir = tempfile.mkdtemp(prefix="flash-sdk-py-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.run()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def live_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/api/v1/live"

    def run(self) -> None:
        """Starts the process and waits until it says that it is ready."""
        self.log = open(Path(self.dir) / "server.log", "ab")
        self.process = subprocess.Popen(
            [BINARY, "serve"],
            cwd=self.dir,
            env={
                "PATH": os.environ["PATH"],
                "DATABASE_URL": f"sqlite://{self.dir}/flash.db",
                "FLASH_BENCH": "1",
                "FLASH_BIND": f"127.0.0.1:{self.port}",
                "FLASH_JWT_SECRET": SECRET,
                "FLASH_LOG": "warn",
                **self.settings,
            },
            stdout=self.log,
            stderr=self.log,
        )
        until = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended at start with {self.process.returncode}\n{self._output()}")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.025)
        self.stop(signal.SIGKILL)
        raise RuntimeError(f"the server was not ready within {START_SECONDS_MAX} s\n{self._output()}")

    def _output(self) -> str:
        return (Path(self.dir) / "server.log").read_text(errors="replace")[-20_000:]

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Sends the signal and waits for the end; gives the exit code (negative: a signal)."""
        self.process.send_signal(how)
        try:
            code = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.close()
        return code

    def close(self) -> None:
        """Stops the server for good and removes its data."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def http(self, method: str, path: str, token: str = "", body: Any = None, key: str = "") -> Answer:
        headers = {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if key:
            headers["Idempotency-Key"] = key
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, method=method, headers=headers, data=data)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, text, kind = answer.status, answer.read(), answer.headers.get("Content-Type") or ""
        except urllib.error.HTTPError as refusal:
            status, text, kind = refusal.code, refusal.read(), refusal.headers.get("Content-Type") or ""
        return Answer(status, json.loads(text) if "json" in kind and text else text.decode())

    def get(self, path: str, token: str = "") -> Answer:
        return self.http("GET", path, token)

    def post(self, path: str, token: str = "", body: Any = None, key: str = "") -> Answer:
        return self.http("POST", path, token, body, key)

    def register(self, role: str = "shopper") -> dict[str, Any]:
        """A registered person: `{user, access_token, refresh_token, …}`."""
        person = {
            "email": f"{role}-{uuid.uuid4()}@example.com",
            "password": "correct horse battery staple",
            "display_name": f"A {role}",
            "role": role,
        }
        return self.post("/api/v1/auth/register", body=person).expect(201)

    def shoppers(self, count: int) -> list[str]:
        """Access tokens of fresh shoppers, without the cost of password hashes."""
        answer = self.post("/api/v1/bench/shoppers", body={"count": count})
        assert answer.status in (200, 201), answer
        return answer.body["tokens"]
