"""Backup while shoppers claim, restore elsewhere, go on: on the embedded database and on PostgreSQL."""

import os
import subprocess
import threading
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from conftest import ROOT, Server, wait_for

PLACE = {"lat": 6.2442, "lng": -75.5812}


class Shop:
    """A merchant's live promotion, and shoppers who claim it one after the other until they are stopped."""

    def __init__(self, server):
        self.http = httpx.Client(base_url=f"{server.url}/api/v1", timeout=20)
        person = {"email": f"{uuid.uuid4().hex}@shop.test", "password": "a-long-password", "display_name": "M", "role": "merchant"}
        merchant = self.post("/auth/register", person)["access_token"]
        store = self.post("/stores", {"name": "S", "address": "A", "location": PLACE, "timezone": "America/Bogota"}, merchant)
        price = {"amount": 1000, "currency": "COP"}
        product = self.post(f"/stores/{store['id']}/products", {"name": "P", "description": "D", "price": price}, merchant)
        sale = {"product_id": product["id"], "price": {"amount": 500, "currency": "COP"}, "stock": 100_000,
                "ends_at": in_a_day(), "hold_seconds": 0}  # fmt: skip
        self.promotion = self.post(f"/stores/{store['id']}/promotions", sale, merchant)["id"]
        self.tokens = self.post("/bench/shoppers", {"count": 3000})["tokens"]
        self.acknowledged = []
        self.stopped = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.claim_on)
        self.thread.start()

    def post(self, path, body, token=None, key=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if key:
            headers["Idempotency-Key"] = key
        answer = self.http.post(path, json=body, headers=headers)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def claim(self, token):
        return self.post(f"/promotions/{self.promotion}/claims", {"location": PLACE}, token, key="once")

    def claim_on(self):
        try:
            for token in self.tokens:
                if self.stopped.is_set():
                    return
                self.acknowledged.append((token, self.claim(token)["id"]))
        except Exception as failure:
            self.failure = failure

    def stop(self):
        self.stopped.set()
        self.thread.join()
        assert self.failure is None, self.failure


def in_a_day():
    return (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def script(name, *arguments):
    ran = subprocess.run(["bash", ROOT / f"deploy/backup/{name}.sh", *map(str, arguments)], capture_output=True, text=True, timeout=120)
    return ran.returncode, ran.stdout.strip(), ran.stderr


def take_backup(shop, name, database, directory):
    """A backup while claims go on; gives the file and the claims that were acknowledged before it began."""
    wait_for(lambda: len(shop.acknowledged) >= 50 or shop.failure, "nobody claims")
    before = list(shop.acknowledged)
    status, file, error = script(name, "backup", database, directory)
    assert status == 0, error
    assert len(shop.acknowledged) > len(before) and shop.failure is None, f"claims stood still meanwhile: {shop.failure}"
    return file, before


def check(server, shop, before):
    """The restored server agrees with itself, knows every claim from before, and sells on."""
    audited = server.run("audit")
    assert audited.returncode == 0, audited.stdout + audited.stderr
    shop.http = httpx.Client(base_url=f"{server.url}/api/v1", timeout=20)
    for token, claim in before:
        assert shop.claim(token)["id"] == claim, "the same key, the same claim"
    assert shop.claim(shop.tokens[-1])["status"] == "confirmed"


def test_sqlite(start_server, tmp_path):
    database = tmp_path / "first.db"
    server = start_server(tmp_path / "one", DATABASE_URL=f"sqlite:///{database}", FLASH_BENCH="1", FLASH_JWT_SECRET="")
    shop = Shop(server)
    try:
        file, before = take_backup(shop, "sqlite", database, tmp_path / "backups")
    finally:
        shop.stop()

    status, _, error = script("sqlite", "restore", file, database)
    assert status == 1 and "stop it first" in error
    server.kill()
    status, _, error = script("sqlite", "restore", file, database)
    assert status == 0, error
    kept = [path.name for path in tmp_path.iterdir() if ".before-restore-" in path.name]
    assert kept, "what was there is kept"
    # The secret came along: tokens from before the backup are still good.
    again = start_server(tmp_path / "two", DATABASE_URL=f"sqlite:///{database}", FLASH_BENCH="1", FLASH_JWT_SECRET="")
    check(again, shop, before)


def test_a_damaged_backup_is_not_restored(tmp_path):
    damaged = tmp_path / "damaged.db"
    subprocess.run(["sqlite3", damaged, "create table t(x); insert into t select randomblob(4000) from generate_series(1,50)"], check=True)
    content = bytearray(damaged.read_bytes())
    content[8192:20480] = b"\xff" * 12288
    damaged.write_bytes(content)
    untouched = tmp_path / "current.db"
    untouched.write_text("what is there")
    status, _, _ = script("sqlite", "restore", damaged, untouched)
    assert status != 0 and untouched.read_text() == "what is there"


@pytest.fixture
def databases():
    """Makes databases on the private PostgreSQL, and drops them."""
    base = os.environ["FLASH_TEST_POSTGRES_URL"]
    made = []

    def make():
        name = f"deploy_{uuid.uuid4().hex}"
        subprocess.run(["psql", "-qc", f"create database {name}", base], check=True)
        made.append(name)
        return base.rpartition("/")[0] + f"/{name}"

    yield make
    for name in made:
        subprocess.run(["psql", "-qc", f"drop database {name} with (force)", base], check=True)


def test_postgres(start_server, binary, databases, tmp_path):
    first, second = databases(), databases()
    migrate = [binary, "migrate"]
    subprocess.run(migrate, env={"DATABASE_URL": first}, cwd=tmp_path, check=True, capture_output=True)
    server = start_server(tmp_path / "one", DATABASE_URL=first, FLASH_BENCH="1")
    shop = Shop(server)
    try:
        file, before = take_backup(shop, "postgres", first, tmp_path / "backups")
    finally:
        shop.stop()
    server.kill()

    status, _, error = script("postgres", "restore", file, first)
    assert status == 1 and "not empty" in error
    status, _, error = script("postgres", "restore", file, second)
    assert status == 0, error
    # The schema came along, so there is nothing to migrate.
    assert Server.run(server, "migrate", DATABASE_URL=second).returncode == 0
    again = start_server(tmp_path / "two", DATABASE_URL=second, FLASH_BENCH="1")
    check(again, shop, before)


def test_a_torn_archive_restores_nothing(databases, tmp_path):
    torn = tmp_path / "torn.dump"
    torn.write_bytes(b"PGDMP torn")
    url = databases()
    status, _, _ = script("postgres", "restore", torn, url)
    assert status != 0
    tables = subprocess.run(["psql", "-qtAc", "select count(*) from information_schema.tables where table_schema = 'public'", url],
                            capture_output=True, text=True, check=True)  # fmt: skip
    assert tables.stdout.strip() == "0"
