"""Flushes that are not broken off, whoever stops waiting for them.

When the server's answer to a flush comes and nobody waits for it any more, nats-py stops reading:
it hears nothing, says nothing of it, and takes itself for connected until its own pings are missed.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from nats.aio.client import Client
from nats.aio.subscription import Subscription

_going: set["asyncio.Task[None]"] = set()


async def flush(client: Client) -> None:
    """Wait until the server has had what was sent before this.

    Raises:
        nats.errors.Error: it has not within 10 s, or there is no connection.
    """
    await _to_its_end(client.flush())


async def drain(subscription: Subscription) -> None:
    """Hear nothing new, and wait until all that had come was taken.

    Raises:
        nats.errors.Error: as `flush`; or it was left before.
    """
    await _to_its_end(subscription.drain())  # type: ignore[no-untyped-call]  # nats-py does not say that it returns None


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    going = asyncio.create_task(work)
    _going.add(going)
    going.add_done_callback(_ended)
    await asyncio.shield(going)


def _ended(going: "asyncio.Task[None]") -> None:
    _going.discard(going)
    if not going.cancelled():
        going.exception()  # Whoever still waits has it.
