"""Debian's Nginx with the committed configuration, in front of the real binary: requests, sockets, limits, TLS."""

import asyncio
import gzip
import json
import re
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request

import httpx
import pytest
import websockets
import websockets.exceptions
from conftest import ROOT, accepts, free_port, tool, wait_for

HERE = ROOT / "deploy/nginx"


class Nginx:
    def __init__(self, directory, site, upstream):
        self.http_port, self.https_port = free_port(), free_port()
        self.directory = directory
        variables = {
            "${FLASH_UPSTREAM}": upstream,
            "${NGINX_HTTP_PORT}": f"127.0.0.1:{self.http_port}",
            "${NGINX_HTTPS_PORT}": f"127.0.0.1:{self.https_port}",
        }
        # Only places differ from the image: its /etc/nginx and /tmp are directories of the test here.
        places = {
            "/etc/nginx/conf.d/": f"{directory}/conf.d/",
            "/etc/nginx/flash-promos/": f"{HERE}/",
            "/etc/nginx/tls/": f"{directory}/tls/",
            "/tmp/": f"{directory}/",
            "/dev/stdout": f"{directory}/access.log",
            # A user's limit may be lower than a container's.
            "worker_rlimit_nofile 131072": "worker_rlimit_nofile 1024",
            "worker_connections 65536": "worker_connections 512",
        }
        (directory / "conf.d").mkdir()
        self.write(HERE / "nginx.conf", directory / "nginx.conf", places)
        self.write(HERE / f"{site}.conf.template", directory / "conf.d/default.conf", {**variables, **places})
        command = [tool("nginx"), "-c", str(directory / "nginx.conf"), "-p", str(directory), "-g", "daemon off;"]
        checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
        assert checked.returncode == 0 and "[warn]" not in checked.stderr, checked.stderr
        self.process = subprocess.Popen(command)
        wait_for(lambda: accepts(self.http_port), "Nginx does not answer", self.process)

    @staticmethod
    def write(source, target, replacements):
        pattern = "|".join(re.escape(old) for old in replacements)
        text = re.sub(pattern, lambda match: replacements[match.group(0)], source.read_text())
        assert "${" not in re.sub(r"(?m)^#.*$", "", text), text
        target.write_text(text)

    def log(self):
        return [json.loads(line) for line in (self.directory / "access.log").read_text().splitlines()]

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def start_nginx(tmp_path):
    started = []

    def start(site, upstream):
        directory = tmp_path / "nginx"
        directory.mkdir()
        if site == "tls":
            certificate(directory)
        # Workers are nobody where Nginx is started by root.
        for parent in [directory, *directory.parents][:4]:
            parent.chmod(0o755)
        directory.chmod(0o777)
        started.append(Nginx(directory, site, upstream))
        return started[-1]

    yield start
    for nginx in started:
        nginx.stop()


def certificate(directory):
    tls = directory / "tls"
    tls.mkdir()
    subprocess.run(
        [tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", tls / "privkey.pem", "-out", tls / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip


def get(url, headers=None, context=None):
    """One request, redirects not followed: status, headers, body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=20, context=context) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


async def connect(url, **options):
    """Opens a live socket as an anonymous visitor; gives the connect reply and one to a subscription."""
    async with websockets.connect(url, **options) as live:
        await live.send('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"nearby","data":{"radius_m":500}}}')
        replies = []
        while len(replies) < 2:
            message = await asyncio.wait_for(live.recv(), 20)
            replies += [json.loads(line) for line in message.split("\n") if line != "{}"]
        return replies, live.response.headers


def test_requests_and_sockets_pass(start_server, start_nginx):
    server = start_server()
    nginx = start_nginx("plain", server.address)
    url = f"http://127.0.0.1:{nginx.http_port}"

    status, headers, body = get(f"{url}/api/v1/promotions?lat=6.25&lng=-75.5", {"X-Request-Id": "traced-7"})
    assert status == 200 and json.loads(body)["items"] == [], body
    assert headers["X-Request-Id"] == "traced-7"

    replies, headers = asyncio.run(connect(f"ws://127.0.0.1:{nginx.http_port}/api/v1/live", origin=url))
    assert [reply["id"] for reply in replies] == [1, 2]
    assert replies[0]["connect"]["client"] and replies[1]["subscribe"]["data"]["offers"] == []

    status, headers, body = get(f"{url}/openapi.json", {"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip" and json.loads(gzip.decompress(body))["openapi"].startswith("3.1")

    # Metrics and bench routes are for the inside.
    assert get(f"{server.url}/metrics")[0] == 200
    for path in ["/metrics", "/api/v1/bench/noop"]:
        assert get(url + path)[0] == 404

    log = nginx.log()
    first = next(line for line in log if line["request_id"] == "traced-7")
    assert (first["path"], first["status"]) == ("/api/v1/promotions", 200)
    assert "6.25" not in (nginx.directory / "access.log").read_text(), "coordinates are in the log"


def test_what_is_too_large_or_from_elsewhere_is_refused(start_server, start_nginx):
    nginx = start_nginx("plain", start_server().address)
    url = f"http://127.0.0.1:{nginx.http_port}"
    answer = httpx.post(f"{url}/api/v1/auth/login", content=b"x" * (65 * 1024))
    assert answer.status_code == 413
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        asyncio.run(connect(f"ws://127.0.0.1:{nginx.http_port}/api/v1/live", origin="https://elsewhere.example"))
    assert refused.value.response.status_code == 403


def login(client, url, **headers):
    """A sign-in that is refused at once, 400, after whatever limits it."""
    return client.post(f"{url}/api/v1/auth/login", json=[], headers=headers).status_code


def test_floods_are_stopped(start_server, start_nginx):
    nginx = start_nginx("plain", start_server().address)
    with httpx.Client(timeout=20) as client:
        # At least 61 at once are let through (the burst), and never 10 a second for long.
        statuses = [login(client, f"http://127.0.0.1:{nginx.http_port}") for _ in range(400)]
    assert statuses.count(400) >= 61 and statuses[-1] == 429, statuses
    assert any(line["limited"] == "REJECTED" for line in nginx.log())


def test_the_server_tells_clients_apart_behind_a_trusted_proxy(start_server, start_nginx):
    """Its own limit per address counts by whom Nginx names; without trust, the proxy is a loopback client: unlimited."""
    trusting = start_server(FLASH_TRUSTED_PROXIES="127.0.0.0/8")
    nginx = start_nginx("plain", trusting.address)
    with httpx.Client(timeout=20) as client:
        flood = [login(client, trusting.url, **{"X-Forwarded-For": "203.0.113.7"}) for _ in range(200)]
        assert flood[0] == 400 and flood[-1] == 429, flood
        assert login(client, trusting.url, **{"X-Forwarded-For": "203.0.113.8"}) == 400
        # What a client writes itself stands left of what Nginx adds, and Nginx adds a loopback address here.
        through = login(client, f"http://127.0.0.1:{nginx.http_port}", **{"X-Forwarded-For": "203.0.113.7"})
        assert through == 429


def test_tls_with_redirect_and_sockets(start_server, start_nginx):
    nginx = start_nginx("tls", start_server(FLASH_CORS_ORIGINS="https://localhost").address)
    trust = ssl.create_default_context(cafile=nginx.directory / "tls/fullchain.pem")

    answer = httpx.get(f"http://127.0.0.1:{nginx.http_port}/api/v1/me?x=1", headers={"Host": "shop.test"})
    assert (answer.status_code, answer.headers["location"]) == (308, "https://shop.test/api/v1/me?x=1")

    status, headers, _ = get(f"https://localhost:{nginx.https_port}/healthz", context=trust)
    assert status == 200 and headers["Strict-Transport-Security"].startswith("max-age=")

    address = f"wss://localhost:{nginx.https_port}/api/v1/live"
    replies, _ = asyncio.run(connect(address, ssl=trust, origin="https://localhost"))
    assert replies[0]["connect"]["client"]

    if shutil.which("curl"):
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_version}", "--http2", "--cacert",
                   nginx.directory / "tls/fullchain.pem", f"https://localhost:{nginx.https_port}/healthz"]  # fmt: skip
        assert subprocess.run(command, capture_output=True, text=True).stdout == "2"
