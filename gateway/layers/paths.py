"""Paths that everybody reads alike, whether they compare them, match them or cut them up."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import problem

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters and ends of lines. The `$` of a pattern matches before one of them, so an
address that ends in it would be a route's to the router and nobody's to whoever compares texts."""


class PlainPaths:
    """ASGI middleware: 404 for a path with a control character in it, before others look at it."""

    def __init__(self, app: ASGIApp) -> None:
        """Let all other paths through to `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app, or answer for it."""
        if scope["type"] == "http" and CONTROL.search(scope["path"]):
            await problem(404, "There is nothing at this address.")(scope, receive, send)
            return
        await self._app(scope, receive, send)
