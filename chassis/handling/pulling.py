"""Pulling messages of a durable: many are asked for at once, and come one by one as they are there.

FastStream asks for each message by itself. Here a question for many stays with the server, and is
asked again when they have come or its time is over.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from chassis.bus.subscriptions import leave
from contracts.topology import Durable

log = structlog.get_logger()
EXPIRES_S = 5.0
LATE_S = 1.0
"""How much later than that the server may say so."""
LOOK_S = 1.0
"""How often it is looked whether the connection was lost, and the question with it."""
PAUSE_S = 0.25
ENDED = ("404", "408")
"""What the server says when it has nothing more, or the time is over."""
NO_MATTER = ("100",)
"""What it says in between."""

Take = Callable[[Msg], Awaitable[object]]


class Pull:
    """The messages of one durable that come to this replica."""

    def __init__(self, client: Client, durable: Durable, take: Take) -> None:
        """Hand each message to `take`, which waits when there is no room."""
        self._client = client
        self._take = take
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{durable.stream}.{durable.name}"
        asked = {"batch": durable.concurrency, "expires": int(EXPIRES_S * 1e9)}
        self._asked = json.dumps(asked).encode()
        self._batch = durable.concurrency
        self._left = 0
        self._over = asyncio.Event()
        self._refused = self._closed = False
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None

    async def open(self) -> None:
        """Listen at the inbox."""
        self._subscription = await self._client.subscribe(self._inbox, cb=self._heard)

    async def run(self) -> None:
        """Ask again and again, until it is closed."""
        while not self._closed:
            self._left, self._refused = self._batch, False
            self._over.clear()
            connection = self._client.stats["reconnects"]
            with suppress(NatsError):  # The connection is away; it comes back, or the process ends.
                await self._client.publish(self._subject, self._asked, self._inbox)
            until = asyncio.get_running_loop().time() + EXPIRES_S + LATE_S
            while asyncio.get_running_loop().time() < until:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._over.wait()
                if self._over.is_set() or self._client.stats["reconnects"] != connection:
                    break
            if self._refused:
                await asyncio.sleep(PAUSE_S)

    async def close(self) -> None:
        """Ask no more; returns when what had come was taken."""
        self._closed = True
        self._over.set()
        if self._subscription is None:
            return
        subscription, self._subscription = self._subscription, None
        await leave(self._client, subscription)

    async def unsubscribe(self) -> None:
        """What FastStream calls when it stops; by then all is done."""

    async def _heard(self, raw: Msg) -> None:
        if not raw.reply.startswith("$JS.ACK."):
            self._told((raw.headers or {}).get("Status", ""))
            return
        self._left -= 1
        if self._left <= 0:
            self._over.set()
        await self._take(raw)

    def _told(self, status: str) -> None:
        if status in NO_MATTER:
            return
        self._refused = status not in ENDED
        if self._refused:
            log.info("no messages for now", subject=self._subject, status=status)
        self._over.set()
