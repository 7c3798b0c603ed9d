"""Connecting with the Python SDK, and what is refused on the live edge."""

from __future__ import annotations

import re
import time

import pytest
from centrifuge import CentrifugeError

from support.client import shown
from support.scene import STORE, new_key
from support.server import forge

INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


async def test_an_anonymous_visitor_connects_and_looks(connect, server, scene):
    promotion = scene.launch()
    await shown(server.live_url, STORE, promotion)
    visitor = await connect()
    connected = await visitor.log.find("connected")
    assert connected.ctx.client
    assert INSTANT.match(connected.data["server_time"])
    nearby = await visitor.nearby(location=STORE, radius_m=5000)
    assert [o["id"] for o in (await nearby.subscribed())["offers"]] == [promotion["id"]]
    assert visitor.me.items == []


async def test_a_shopper_has_a_channel_of_his_own(connect, server, scene):
    [token] = server.shoppers(1)
    claim = scene.claim(scene.launch(), token).expect(201)
    shopper = await connect(token=token)
    started = await shopper.me.find("subscribed")
    assert started.ctx.channel == "me"
    assert [c["id"] for c in started.data["claims"]] == [claim["id"]]
    assert started.data["unread"] == 0


async def test_an_expired_token_is_replaced(connect, server):
    [token] = server.shoppers(1)

    async def get_token() -> str:
        return token

    shopper = await connect(token=forge(token, exp=int(time.time()) - 60), get_token=get_token)
    error = await shopper.log.find("error")
    assert error.ctx.error.code == 109
    assert [e.name for e in shopper.log.items if e.name == "connected"] == ["connected"]


async def test_an_expired_token_that_cannot_be_replaced_ends_the_client(connect, server):
    [token] = server.shoppers(1)
    shopper = await connect(token=forge(token, exp=int(time.time()) - 60), wait=False)
    assert (await shopper.log.find("disconnected")).ctx.code == 1


@pytest.mark.parametrize("kind", ["garbage", "refresh", "audience", "purpose"])
async def test_a_token_that_is_not_ours_ends_the_connection_for_good(connect, server, kind):
    [token] = server.shoppers(1)
    bad = {
        "garbage": lambda: "garbage",
        "refresh": lambda: server.register()["refresh_token"],
        "audience": lambda: forge(token, aud="somebody-else"),
        "purpose": lambda: forge(token, purpose="refresh"),
    }[kind]()
    shopper = await connect(token=bad, wait=False)
    end = (await shopper.log.find("disconnected")).ctx
    assert end.code == 3500
    assert end.reason


async def test_unknown_channels_are_refused(connect):
    visitor = await connect()
    for name in ("nowhere", "promotion:019abcde-0000-7000-8000-000000000000"):
        end = await (await visitor.channel(name)).unsubscribed()
        assert end.code == 102
        assert end.reason


async def test_an_anonymous_visitor_may_not_act(connect, scene):
    promotion = scene.launch()
    visitor = await connect()
    claim = {"promotion_id": promotion["id"], "idempotency_key": new_key(), "location": STORE}
    for method, data in (("claim", claim), ("confirm", {"claim_id": new_key()}), ("cancel", {"claim_id": new_key()})):
        with pytest.raises(CentrifugeError) as refusal:
            await visitor.rpc(method, data)
        assert refusal.value.code == 101


async def test_faults_have_the_codes_of_the_protocol(connect, server):
    shopper = await connect(token=server.shoppers(1)[0])
    cases = [
        (104, "teleport", {}),
        (107, "move", None),
        (107, "move", {"location": {"lat": 91, "lng": 0}}),
        (107, "move", {"location": STORE, "unheard_of": 1}),
        (107, "claim", {"idempotency_key": "k"}),
        (107, "confirm", {}),
    ]
    for code, method, data in cases:
        with pytest.raises(CentrifugeError) as refusal:
            await shopper.rpc(method, data)
        assert refusal.value.code == code, (method, data)
    for call in (shopper.client.publish("nearby", {}), shopper.client.history("nearby"), shopper.client.presence("nearby")):
        with pytest.raises(CentrifugeError) as refusal:
            await call
        assert refusal.value.code == 108
    bad = await shopper.channel("nearby", {"radius_m": 10})
    assert (await bad.unsubscribed()).code == 107
    assert [e.name for e in shopper.log.items] == ["connecting", "connected"] or [
        e.name for e in shopper.log.items
    ] == ["connected"]
