"""The door for MCP clients: streamable HTTP at /mcp, without sessions, so at any gateway.

Both ways to speak are the library's: a request on its own (2026-07-28), and with the handshake of
the revisions before. Nothing is kept between two requests of either.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.doors.mcp.server import made
from gateway.doors.shared.inside import Inside
from gateway.doors.shared.lasting import Lasting
from gateway.errors import problem
from gateway.settings import Settings

PLACE = "/mcp"
NOTHING = problem(404, "There is nothing at this address.")


@asynccontextmanager
async def opened(inside: Inside, settings: Settings) -> AsyncIterator[ASGIApp]:
    """The door's app, until the block is left.

    Whose pages may call, and for which hosts, is decided before the door.
    """
    # The library's lines hold what callers sent.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    async with Lasting() as lasting:
        manager = StreamableHTTPSessionManager(
            made(inside, lasting),
            stateless=True,
            max_request_body_size=max(settings.body_limit, 1),
        )
        async with manager.run():

            async def answered(scope: Scope, receive: Receive, send: Send) -> None:
                # Below it clients look for what they know of other servers.
                there = scope["path"].removesuffix("/") == PLACE
                await (manager.handle_request if there else NOTHING)(scope, receive, send)

            yield answered
