"""What a door's stream waits for, and what it is told."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from chassis.endings import end

T = TypeVar("T")
HANGED_UP = 499
"""The status of what nobody is there to read; for the log."""


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
