"""The door for MCP clients: streamable HTTP at /mcp, without sessions, so at any gateway.

Both ways to speak are the library's: a request on its own (2026-07-28), and with the handshake of
the revisions before. Nothing is kept between two requests of either.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import ASGIApp

from gateway.doors.mcp.server import made
from gateway.doors.shared.inside import Inside
from gateway.settings import Settings


@asynccontextmanager
async def opened(inside: Inside, settings: Settings) -> AsyncIterator[ASGIApp]:
    """The door's app, until the block is left.

    Whose pages may call, and for which hosts, is decided before the door.
    """
    manager = StreamableHTTPSessionManager(
        made(inside), stateless=True, max_request_body_size=max(settings.body_limit, 1)
    )
    async with manager.run():
        yield manager.handle_request
