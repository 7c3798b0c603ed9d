"""The fixtures of the Python SDK suite: one server and scene per file, clients that are closed again."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from support.client import Shopper
from support.scene import Scene
from support.server import Server


@pytest.fixture(scope="module")
def server():
    running = Server()
    yield running
    running.close()


@pytest.fixture(scope="module")
def store(server):
    return Scene(server)


@pytest.fixture
def scene(store):
    """The store's scene without sales of earlier tests."""
    store.clear()
    return store


@pytest_asyncio.fixture
async def connect(server):
    """Connects clients to the file's server: `await connect(token=…)`; closes them afterwards."""
    clients: list[Shopper] = []

    async def make(to: Server = server, wait: bool = True, **options: Any) -> Shopper:
        shopper = Shopper(to.live_url, **options)
        clients.append(shopper)
        if wait:
            return await shopper.connect()
        await shopper.client.connect()
        return shopper

    yield make
    for shopper in clients:
        await shopper.client.disconnect()
