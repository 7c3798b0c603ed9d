"""REDIS_URL as managed services give it: over TLS, with a user and a password."""

import subprocess

import pytest
from conftest import accepts, free_port, tool, wait_for


@pytest.fixture
def redis(tmp_path):
    """A Redis that speaks TLS only; gives its port and the certificate to trust."""
    directory, port = tmp_path / "redis", free_port()
    directory.mkdir()
    key, certificate = directory / "key.pem", directory / "cert.pem"
    subprocess.run(
        [tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    process = subprocess.Popen(
        [tool("redis-server"), "--port", "0", "--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key,
         "--tls-ca-cert-file", certificate, "--tls-auth-clients", "no", "--save", "", "--dir", directory,
         "--user", "default", "off", "--user", "flash", "on", ">pass-word", "~*", "&*", "+@all"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(lambda: accepts(port), "Redis does not answer", process)
    yield port, certificate
    process.terminate()
    process.wait(20)


def serve(binary, directory, port, password, certificate):
    """Starts a server that has to say something about Redis first; gives its first line, or why it did not start."""
    directory.mkdir(exist_ok=True)
    environment = {
        "FLASH_BIND": "127.0.0.1:0",
        "REDIS_URL": f"rediss://flash:{password}@localhost:{port}",
        **({"SSL_CERT_FILE": str(certificate)} if certificate else {}),
    }
    process = subprocess.Popen(
        [binary, "serve"], cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    process.terminate()
    _, log = process.communicate(timeout=20)
    return line, log


def test_it_is_reached_over_tls_with_its_password(binary, redis, tmp_path):
    port, certificate = redis
    line, log = serve(binary, tmp_path / "right", port, "pass-word", certificate)
    assert line.startswith("listening on http"), log
    for name, password, trusted in [("password", "wrong", certificate), ("certificate", "pass-word", None)]:
        line, log = serve(binary, tmp_path / name, port, password, trusted)
        assert line == "" and "REDIS_URL" in log, f"a wrong {name} is no reason to serve: {log}"
        assert "pass-word" not in log, "the password is in the log"
