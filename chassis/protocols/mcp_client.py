"""A client of one MCP server for one call, by the mcp library, over streamable HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, Implementation

from chassis.endings import end
from chassis.protocols.bridge import Bridge
from chassis.protocols.httpx2_transport import client as httpx2_client
from chassis.release import release

T = TypeVar("T")

for name in ("mcp", "client"):
    # What a server sent, and would be shown by these, is a stranger's.
    logging.getLogger(name).setLevel(logging.CRITICAL)


async def apart(work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """Do work with a client in a task of its own: the library cancels who waits when all breaks.

    Raises:
        TimeoutError: it was not done in time, and was ended.
        BrokeDown: what it raised, or that it was cancelled from within.
    """
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait((task,), timeout=timeout_s)
    finally:
        await end(task)
        # Looked at also when nobody waits any more: how it ended then is no news to anybody.
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if not done:
        raise TimeoutError
    if error is None:
        return task.result()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    raise BrokeDown(error) from error


class BrokeDown(Exception):
    """Work with a client came to nothing; `error` says why, of what kind so ever."""

    def __init__(self, error: BaseException) -> None:
        """Say why."""
        super().__init__(type(error).__name__)
        self.error = error


@asynccontextmanager
async def mcp_client(
    bridge: Bridge, url: str, timeout_s: float, event_bytes: int
) -> AsyncIterator[Client]:
    """A client for one call: the library's ends all that run when a connection breaks.

    Whatever it raises may come in a group, and its task may be cancelled by it; so it is used
    within `apart`.

    Args:
        bridge: the way out.
        url: of the server.
        timeout_s: for one answer.
        event_bytes: the most that one event of a streamed answer may weigh.
    """
    async with httpx2_client(bridge) as http:
        transport = streamable_http_client(url, http_client=http, max_sse_event_size=event_bytes)
        about = Implementation(name="agentbazaar", version=release())
        client = Client(transport, client_info=about, read_timeout_seconds=timeout_s, cache=None)
        async with client:
            # A server's own schema may have a pattern that takes for ever to be tried. No option
            # of the library leaves it out, and mypy lets no method be assigned.
            setattr(client.session, "validate_tool_result", _unchecked)  # noqa: B010
            yield client


async def _unchecked(_name: str, _result: CallToolResult) -> None:
    """What a tool sends is passed on as it is; its schema is not held against it."""
