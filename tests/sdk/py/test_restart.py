"""The server goes away in the middle: the SDK comes back, and `move` with `known` brings the difference.

The Python SDK's subscription data is fixed, so its `nearby` leaves the location out and every `subscribed`
starts a task of its own that calls `move` with where the shopper is and what his screen shows.
"""

from __future__ import annotations

import asyncio
import signal

import pytest

from support.client import Channel, shown
from support.scene import STORE, north
from support.server import in_ms, seconds_until


class Screen:
    """What a shopper's screen shows, kept from publications and from the replies of `move`."""

    def __init__(self, shopper, channel) -> None:
        self.shopper, self.channel = shopper, channel
        self.offers: dict[str, dict] = {}
        self.read = 0
        self.moves: list[dict] = []
        self.moved = asyncio.Event()
        self.place = STORE

    def catch_up(self) -> dict[str, dict]:
        for event in self.channel.log.items[self.read :]:
            self.read += 1
            if event.name != "publication":
                continue
            data = event.data
            if data["type"] == "offer":
                self.offers[data["offer"]["id"]] = dict(data["offer"])
            elif data["type"] == "stock":
                assert data["v"] > self.offers[data["id"]]["v"]
                self.offers[data["id"]].update(v=data["v"], remaining=data["remaining"], held=data["held"])
            elif data["type"] == "gone":
                self.offers.pop(data["id"], None)
        return self.offers

    async def tell(self) -> None:
        known = {id: offer["v"] for id, offer in self.catch_up().items()}
        reply = await self.shopper.rpc("move", {"location": self.place, "known": known})
        self.catch_up()
        for id in reply["left"]:
            self.offers.pop(id, None)
        self.moves.append(reply)
        self.moved.set()

    async def next_move(self) -> dict:
        """The reply of the next move that a `subscribed` started."""
        await asyncio.wait_for(self.moved.wait(), 20)
        self.moved.clear()
        return self.moves[-1]


def _channel(shopper):
    """A `nearby` subscription whose data is fixed; not subscribed yet."""
    channel = Channel("nearby")
    channel.sub = shopper.client.new_subscription("nearby", events=channel, data={"radius_m": 5000})
    return channel


async def _until(holds, channel) -> None:
    """Waits until the condition holds, looking again at each event of the channel."""

    async def look() -> None:
        while not holds():
            channel.log.news.clear()
            if not holds():
                await channel.log.news.wait()

    await asyncio.wait_for(look(), 10)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
async def test_a_restart_in_the_middle(connect, server, scene, how):
    token, other = server.shoppers(2)
    same = scene.launch()
    ends = scene.launch(ends_at=in_ms(4000))
    starts = scene.launch(starts_at=in_ms(4000))
    returns = scene.launch(hold_seconds=4)
    near = scene.launch(reach_m=2000)
    scene.claim(returns, other).expect(201)
    kept = scene.claim(same, token).expect(201)
    await shown(server.live_url, STORE, same, ends, returns, near)

    shopper = await connect(token=token)
    channel = _channel(shopper)
    screen = Screen(shopper, channel)
    channel.at_subscribed = screen.tell
    await channel.sub.subscribe()
    first = await screen.next_move()
    assert set(first["entered"]) == {same["id"], ends["id"], returns["id"], near["id"]}
    connection, publications, me = shopper.length, channel.length, len(shopper.me.items)

    code = await asyncio.to_thread(server.stop, how)
    lost = (await shopper.log.find("connecting", start=connection)).ctx
    if how == signal.SIGTERM:
        assert code == 0, "a drained server ends with 0"
        assert (lost.code, lost.reason) == (3001, "shutdown")
    else:
        assert lost.code == 1
    screen.place = north(4000)  # out of reach of `near`, still in reach of the others
    await asyncio.sleep(max(0.0, seconds_until(ends["ends_at"]) + 0.3))
    await asyncio.to_thread(server.run)

    reply = await screen.next_move()
    assert set(reply["left"]) == {ends["id"], near["id"]}
    assert starts["id"] in reply["entered"]
    assert same["id"] not in reply["entered"], "what is known and unchanged is not sent again"
    sent = [e.data["offer"]["id"] for e in channel.log.items[publications:] if e.name == "publication" and e.data["type"] == "offer"]
    assert same["id"] not in sent
    await _until(lambda: screen.catch_up()[returns["id"]]["held"] == 0, channel)
    assert set(screen.offers) == {same["id"], starts["id"], returns["id"]}
    back = await shopper.me.find("subscribed", start=me)
    assert kept["id"] in [c["id"] for c in back.data["claims"]]
    assert (await shopper.rpc("confirm", {"claim_id": kept["id"]}))["status"] == "confirmed"
