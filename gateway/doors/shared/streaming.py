"""A door's own stream of server-sent events, and what is open meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import structlog
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from chassis.endings import end

log = structlog.get_logger()
T = TypeVar("T")

ALIVE = b": alive\n\n"
"""A comment, which every client passes over."""


class Frames(EventSourceResponse):
    """Frames as they come; what is `held` is let go once the last is sent or the caller leaves."""

    def __init__(self, frames: AsyncIterator[bytes], held: AsyncExitStack, send_s: float) -> None:
        """Send `frames`; who takes nothing for `send_s` is cut off."""
        super().__init__(frames, ping=0, send_timeout=send_s)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them all."""
        async with self._held:
            try:
                await super().__call__(scope, receive, send)
            except SendTimeoutError:
                log.info("a door's stream was cut off", path=scope["path"])


class Gone(Exception):
    """The caller hung up."""


async def while_there(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The outcome of `work`, which is given up when the caller hangs up; the body was read.

    Raises:
        Gone: he did.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Gone
        return working.result()
    finally:
        await end(working, leaving)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def happened(data: str) -> dict[str, Any]:
    """An event of our stream; empty for one that is none."""
    found = json.loads(data) if data else {}
    return found if isinstance(found, dict) else {}
