"""The official SDK with everything it reports written down, so that tests wait for events, not for time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from centrifuge import Client, ClientEventHandler, SubscriptionEventHandler

WAIT_SECONDS_MAX = 10.0


@dataclass
class Event:
    """One thing the SDK reported: its name, its context, and the data in it."""

    name: str
    ctx: Any
    data: Any = None


class Log:
    """A list that can be waited on."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.items: list[Event] = []
        self.news = asyncio.Event()

    def push(self, event: Event) -> None:
        self.items.append(event)
        self.news.set()

    async def find(
        self, name: str, fits: Callable[[Event], bool] = lambda _: True, start: int = 0, within: float = WAIT_SECONDS_MAX
    ) -> Event:
        """The first event of the name from position `start` that fits, now or later; fails after a while."""

        async def look() -> Event:
            while True:
                self.news.clear()
                for event in self.items[start:]:
                    if event.name == name and fits(event):
                        return event
                await self.news.wait()

        try:
            return await asyncio.wait_for(look(), within)
        except asyncio.TimeoutError:
            came = "\n".join(f"  {e.name} {e.data if e.data is not None else e.ctx}" for e in self.items)
            raise AssertionError(f"{self.what}: no such {name} came; came:\n{came}") from None


class Channel(SubscriptionEventHandler):
    """A subscription, its log, and what a test wants to do at each subscribed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log = Log(name)
        self.at_subscribed: Callable[[], Any] | None = None
        self.tasks: set[asyncio.Task] = set()
        self.sub: Any = None

    async def on_subscribing(self, ctx):
        self.log.push(Event("subscribing", ctx))

    async def on_subscribed(self, ctx):
        self.log.push(Event("subscribed", ctx, ctx.data))
        if self.at_subscribed:
            # Not awaited here: the SDK reads no reply before its handlers return.
            task = asyncio.ensure_future(self.at_subscribed())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def on_unsubscribed(self, ctx):
        self.log.push(Event("unsubscribed", ctx))

    async def on_publication(self, ctx):
        self.log.push(Event("publication", ctx, ctx.pub.data))

    async def on_error(self, ctx):
        self.log.push(Event("error", ctx))

    @property
    def length(self) -> int:
        """How much has been reported. (A handler with `__len__` would be false, and the SDK would ignore it.)"""
        return len(self.log.items)

    @property
    def publications(self) -> list[dict[str, Any]]:
        return [e.data for e in self.log.items if e.name == "publication"]

    async def subscribed(self, **options: Any) -> dict[str, Any]:
        """The data of the subscribe's answer."""
        return (await self.log.find("subscribed", **options)).data

    async def unsubscribed(self, **options: Any) -> Any:
        return (await self.log.find("unsubscribed", **options)).ctx

    async def publication(self, kind: str, fits: Callable[[dict], bool] = lambda _: True, **options: Any) -> dict:
        """The first publication of the type that fits."""
        event = await self.log.find("publication", lambda e: e.data["type"] == kind and fits(e.data), **options)
        return event.data


class Shopper(ClientEventHandler):
    """One SDK client with its log of connection events and of the `me` channel."""

    def __init__(self, url: str, **options: Any) -> None:
        self.log = Log("connection")
        self.me = Log("me")
        options.setdefault("max_reconnect_delay", 0.3)
        self.client = Client(url, events=self, proxy=None, **options)

    async def on_connecting(self, ctx):
        self.log.push(Event("connecting", ctx))

    async def on_connected(self, ctx):
        self.log.push(Event("connected", ctx, ctx.data))

    async def on_disconnected(self, ctx):
        self.log.push(Event("disconnected", ctx))

    async def on_error(self, ctx):
        self.log.push(Event("error", ctx))

    async def on_subscribed(self, ctx):
        self.me.push(Event("subscribed", ctx, ctx.data))

    async def on_publication(self, ctx):
        self.me.push(Event("publication", ctx, ctx.pub.data))

    @property
    def length(self) -> int:
        """How much has been reported. (A handler with `__len__` would be false, and the SDK would ignore it.)"""
        return len(self.log.items)

    async def connect(self) -> "Shopper":
        await self.client.connect()
        await self.log.find("connected")
        return self

    async def channel(self, name: str, data: Any = None) -> Channel:
        channel = Channel(name)
        channel.sub = self.client.new_subscription(name, events=channel, data=data, min_resubscribe_delay=0.05)
        await channel.sub.subscribe()
        return channel

    async def nearby(self, **data: Any) -> Channel:
        return await self.channel("nearby", data)

    async def rpc(self, method: str, data: Any) -> dict[str, Any]:
        """Calls a method; gives the data of its result."""
        return (await self.client.rpc(method, data)).data

    async def problem(self, method: str, data: Any) -> dict[str, Any]:
        """Calls a method that is to be refused with a problem; gives the problem."""
        result = await self.rpc(method, data)
        assert "problem" in result, f"expected a problem, got {result}"
        return result["problem"]

    async def claim_on_me(self, fits: Callable[[dict], bool], **options: Any) -> dict[str, Any]:
        """The first claim publication on `me` that fits."""
        event = await self.me.find("publication", lambda e: e.data["type"] == "claim" and fits(e.data["claim"]), **options)
        return event.data["claim"]


async def shown(url: str, place: dict[str, float], *promotions: dict[str, Any]) -> None:
    """Waits until a visitor at the place is shown every one of the promotions.

    A launch is answered when it is durable, which may be a moment before it is shown.
    """
    visitor = await Shopper(url).connect()
    nearby = await visitor.nearby(location=place, radius_m=50_000)
    there = {offer["id"] for offer in (await nearby.subscribed())["offers"]}
    for promotion in promotions:
        if promotion["id"] not in there:
            await nearby.publication("offer", lambda p, id=promotion["id"]: p["offer"]["id"] == id)
    await visitor.client.disconnect()
