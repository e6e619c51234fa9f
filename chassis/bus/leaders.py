"""Patience with a cluster of NATS servers that have just lost their leader, and elect one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from nats.js.errors import ServiceUnavailableError

log = structlog.get_logger()

AGAIN_S = 0.5
T = TypeVar("T")


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """What the streams say, as soon as somebody answers; who cannot wait for ever cancels it."""
    while True:
        try:
            return await ask()
        except (TimeoutError, ServiceUnavailableError) as error:
            log.warning("the streams do not answer yet", error=error)
        await asyncio.sleep(AGAIN_S)
