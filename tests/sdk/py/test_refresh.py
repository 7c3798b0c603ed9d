"""A token ends while the socket lives: the SDK refreshes it in time.

The server of this file gives tokens of 30 seconds, so that a connect result says ttl 5.
"""

from __future__ import annotations

import asyncio

import pytest

from support.server import Server


@pytest.fixture(scope="module")
def server():
    running = Server(FLASH_ACCESS_TOKEN_SECONDS="30")
    yield running
    running.close()


def refreshing(server):
    """A person's first token, and a function that gives the next one by `POST /auth/refresh`."""
    session = server.register()
    count = [0]

    async def get_token() -> str:
        nonlocal session
        count[0] += 1
        session = server.post("/api/v1/auth/refresh", body={"refresh_token": session["refresh_token"]}).expect(200)
        return session["access_token"]

    return session["access_token"], get_token, count


async def test_a_connection_outlives_its_first_token(connect, server):
    token, get_token, count = refreshing(server)
    shopper = await connect(token=token, get_token=get_token)
    await (await shopper.nearby(radius_m=500)).subscribed()
    await asyncio.sleep(33)  # past the end of the first token
    await shopper.rpc("move", {"location": {"lat": 0, "lng": 0}})
    assert count[0] >= 3
    assert sum(e.name == "connected" for e in shopper.log.items) == 1
    assert not any(e.name in ("disconnected", "error") for e in shopper.log.items)


async def test_a_connection_ends_with_its_token(connect, server):
    token, _, _ = refreshing(server)
    shopper = await connect(token=token)
    lost = (await shopper.log.find("connecting", lambda e: e.ctx.code != 0, within=40)).ctx
    assert lost.code == 3005
    assert lost.reason
    end = (await shopper.log.find("disconnected")).ctx
    assert end.code == 1, "109 and no way to get another token"


async def test_another_persons_token_does_not_refresh_a_connection(connect, server):
    token, _, _ = refreshing(server)
    other, _, _ = refreshing(server)

    async def get_token() -> str:
        return other

    shopper = await connect(token=token, get_token=get_token)
    assert (await shopper.log.find("disconnected", within=15)).ctx.code == 3500
