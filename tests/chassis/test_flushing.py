"""Who stops waiting for a flush, or for the end of a subscription, makes nobody deaf."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from chassis.bus.envelopes import new_id
from chassis.bus.flushing import drain, flush
from tests.support.polling import eventually
from tests.support.stack import Stack


async def _flush(client: Client) -> None:
    await flush(client)


async def _drain(client: Client) -> None:
    await drain(await client.subscribe(new_id()))


@pytest.mark.parametrize("wait", [_flush, _drain])
async def test_a_connection_hears_after_a_wait_was_broken_off(
    stack: Stack, wait: Callable[[Client], Awaitable[Any]]
) -> None:
    client, heard, subject = await nats.connect(stack.nats_url), asyncio.Event(), new_id()

    async def hear(_: Msg) -> None:
        heard.set()

    async def is_heard() -> bool:
        await client.publish(subject, b"")
        return heard.is_set()

    try:
        await client.subscribe(subject, cb=hear)
        waiting = asyncio.ensure_future(wait(client))
        for _ in range(4):  # Its PING is on the way.
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        await flush(client)  # The answer to the first one has come.
        await eventually(is_heard)
    finally:
        await client.close()
