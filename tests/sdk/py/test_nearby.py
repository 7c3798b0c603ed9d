"""Deals nearby with the Python SDK: offers, stock, ends, moving, the promotion channel, claims."""

from __future__ import annotations

import asyncio

from support.client import shown
from support.scene import STORE, new_key, north
from support.server import in_ms, seconds_until


async def test_a_launch_reaches_a_shopper_nearby_and_not_one_far_away(connect, scene):
    near, far = await connect(), await connect()
    nearby = await near.nearby(location=north(1000), radius_m=5000)
    remote = await far.nearby(location=north(30_000), radius_m=50_000)
    await nearby.subscribed()
    await remote.subscribed()
    promotion = scene.launch()
    told = await nearby.publication("offer", lambda p: p["offer"]["id"] == promotion["id"])
    assert told["offer"]["store"] == {"id": scene.store["id"], "name": "TechShop Medellín Centro", "location": STORE}
    assert (told["offer"]["remaining"], told["offer"]["held"]) == (10, 0)
    # A second sale that does reach the far shopper shows that the first would have come by now.
    marker = scene.launch(reach_m=50_000)
    await remote.publication("offer", lambda p: p["offer"]["id"] == marker["id"])
    assert [p["offer"]["id"] for p in remote.publications] == [marker["id"]]


async def test_stock_and_every_kind_of_end_are_told(connect, server, scene):
    visitor = await connect()
    nearby = await visitor.nearby(location=STORE, radius_m=5000)
    await nearby.subscribed()
    first = scene.launch()
    offer = (await nearby.publication("offer", lambda p: p["offer"]["id"] == first["id"]))["offer"]
    scene.claim(first, server.shoppers(1)[0]).expect(201)
    stock = await nearby.publication("stock", lambda p: p["held"] == 1)
    assert set(stock) == {"type", "id", "v", "remaining", "held"}
    assert (stock["id"], stock["remaining"]) == (first["id"], 9)
    assert stock["v"] > offer["v"]

    scene.act(first, "pause")
    await nearby.publication("gone", lambda p: p["id"] == first["id"] and p["reason"] == "paused")
    start = nearby.length
    scene.act(first, "resume")
    await nearby.publication("offer", lambda p: p["offer"]["id"] == first["id"], start=start)
    scene.act(first, "cancel")
    await nearby.publication("gone", lambda p: p["id"] == first["id"] and p["reason"] == "cancelled")

    short = scene.launch(starts_at=in_ms(1000), ends_at=in_ms(2500))
    await nearby.publication("offer", lambda p: p["offer"]["id"] == short["id"])
    assert seconds_until(short["starts_at"]) <= 0, "never early"
    await nearby.publication("gone", lambda p: p["id"] == short["id"] and p["reason"] == "ended")
    assert seconds_until(short["ends_at"]) <= 0, "never early"


async def test_moving_is_told_before_the_reply(connect, server, scene):
    promotion = scene.launch(reach_m=2000)
    await shown(server.live_url, STORE, promotion)
    visitor = await connect()
    nearby = await visitor.nearby(radius_m=5000)
    assert (await nearby.subscribed())["offers"] == []
    entered = await visitor.rpc("move", {"location": north(1900)})
    assert (entered["entered"], entered["left"]) == ([promotion["id"]], [])
    assert nearby.publications[-1]["offer"]["id"] == promotion["id"]
    left = await visitor.rpc("move", {"location": north(2500)})
    assert (left["entered"], left["left"]) == ([], [promotion["id"]])
    assert (nearby.publications[-1]["type"], nearby.publications[-1]["reason"]) == ("gone", "left")


async def test_move_with_known_gives_the_difference(connect, server, scene):
    same, fresh = scene.launch(), scene.launch()
    await shown(server.live_url, STORE, same, fresh)
    visitor = await connect()
    nearby = await visitor.nearby(radius_m=5000)
    await nearby.subscribed()
    await visitor.rpc("move", {"location": STORE})
    offers = {p["offer"]["id"]: p["offer"]["v"] for p in nearby.publications}
    assert set(offers) == {same["id"], fresh["id"]}

    again = await connect()
    second = await again.nearby(radius_m=5000)
    await second.subscribed()
    lost = "019abcde-0000-7000-8000-000000000000"
    moved = await again.rpc("move", {"location": STORE, "known": {same["id"]: offers[same["id"]], lost: 2}})
    assert (moved["entered"], moved["left"]) == ([fresh["id"]], [lost])
    assert [p["offer"]["id"] for p in second.publications if p["type"] == "offer"] == [fresh["id"]]


async def test_claim_confirm_and_cancel_by_rpc(connect, server, scene):
    promotion = scene.launch(stock=2)
    shopper, second, third = [await connect(token=t) for t in server.shoppers(3)]
    key = new_key()
    request = {"promotion_id": promotion["id"], "idempotency_key": key, "location": STORE}
    claim = await shopper.rpc("claim", request)
    assert claim["status"] == "held"
    assert claim["unit_price"] == {"amount": 49_900, "currency": "COP"}
    assert await shopper.rpc("claim", {**request, "location": north(50)}) == claim, "the same key, the same claim"
    reused = await shopper.problem("claim", {**request, "quantity": 2})
    assert (reused["status"], reused["code"]) == (422, "idempotency_key_reused")
    limit = await shopper.problem("claim", {**request, "idempotency_key": new_key()})
    assert (limit["status"], limit["code"]) == (409, "limit_reached")

    confirmed = await shopper.rpc("confirm", {"claim_id": claim["id"]})
    assert confirmed["status"] == "confirmed"
    refused = await shopper.problem("cancel", {"claim_id": claim["id"]})
    assert (refused["status"], refused["code"]) == (409, "already_confirmed")

    other = await second.rpc("claim", {**request, "idempotency_key": new_key()})
    held = await third.problem("claim", {**request, "idempotency_key": new_key()})
    assert held["code"] == "all_held"
    assert (await third.problem("cancel", {"claim_id": other["id"]}))["status"] == 404
    assert (await second.rpc("cancel", {"claim_id": other["id"]}))["status"] == "cancelled"
    far = await third.problem("claim", {**request, "idempotency_key": new_key(), "location": north(3000)})
    assert (far["status"], far["code"], far["claim_within_m"]) == (403, "too_far", 2000)
    nowhere = await third.problem("claim", {"promotion_id": promotion["id"], "idempotency_key": new_key()})
    assert (nowhere["status"], nowhere["code"]) == (422, "location_required")

    await shopper.claim_on_me(lambda c: c["id"] == claim["id"] and c["status"] == "confirmed")
    told = [e.data["claim"]["status"] for e in shopper.me.items if e.name == "publication"]
    assert told == ["held", "confirmed"]
    assert not any(e.name == "publication" for e in third.me.items)


async def test_an_expired_hold_is_told_on_me(connect, server, scene):
    promotion = scene.launch(hold_seconds=1)
    [token] = server.shoppers(1)
    shopper = await connect(token=token)
    claim = scene.claim(promotion, token).expect(201)
    held = await shopper.claim_on_me(lambda c: c["id"] == claim["id"] and c["status"] == "held")
    expired = await shopper.claim_on_me(lambda c: c["id"] == claim["id"] and c["status"] == "expired")
    assert expired["v"] > held["v"]
    late = await shopper.problem("confirm", {"claim_id": claim["id"]})
    assert (late["status"], late["code"]) == (409, "hold_expired")


async def test_the_promotion_channel_has_sales_for_the_stores_people(connect, server, scene):
    promotion = scene.launch()
    name = f"promotion:{promotion['id']}"
    owner, shopper = await connect(token=scene.token), await connect(token=server.shoppers(1)[0])
    watched, plain = await owner.channel(name), await shopper.channel(name)
    assert (await watched.subscribed())["offer"]["id"] == promotion["id"]
    await plain.subscribed()
    request = {"promotion_id": promotion["id"], "idempotency_key": new_key(), "location": STORE}
    await shopper.rpc("claim", request)
    sales = await watched.publication("sales", lambda p: p["claims"] == 1)
    assert set(sales) == {"type", "claims", "per_second", "viewers", "held", "sold"}
    await plain.publication("stock", lambda p: p["held"] == 1)
    scene.act(promotion, "cancel")
    for channel in (watched, plain):
        assert (await channel.unsubscribed()).code == 2000
        assert channel.publications[-1]["type"] == "gone"
    assert all(p["type"] != "sales" for p in plain.publications)


async def test_a_draft_is_not_for_strangers(connect, scene):
    draft = scene.launch(draft=True)
    visitor = await connect()
    channel = await visitor.channel(f"promotion:{draft['id']}")
    assert (await channel.unsubscribed()).code == 103


async def test_unsubscribing_and_subscribing_again_stays_on_the_connection(connect, server, scene):
    promotion = scene.launch()
    await shown(server.live_url, STORE, promotion)
    visitor = await connect()
    nearby = await visitor.nearby(location=STORE, radius_m=5000)
    await nearby.subscribed()
    await nearby.sub.unsubscribe()
    await nearby.unsubscribed()
    start = nearby.length
    await nearby.sub.subscribe()
    again = await nearby.subscribed(start=start)
    assert [o["id"] for o in again["offers"]] == [promotion["id"]]
    await asyncio.sleep(0)
    assert sum(e.name == "connected" for e in visitor.log.items) == 1
