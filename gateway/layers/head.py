"""HEAD wherever there is GET: the same status and headers, and no body."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Head:
    """ASGI middleware: a HEAD request is answered as the GET request would be, up to its body.

    What an endless answer holds, such as a stream of events, is let go with the headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Ask `app` as if for a GET."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers of the answer, then end it."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        begun = asyncio.Event()

        async def headers_only(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})
                begun.set()

        # A copy: the server must still see HEAD, or it would wait for the body.
        asked = {**scope, "method": "GET"}
        answering = asyncio.ensure_future(self._app(asked, receive, headers_only))
        headers = asyncio.ensure_future(begun.wait())
        try:
            await asyncio.wait({answering, headers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            headers.cancel()
            if not answering.done():
                answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering
            scope["route"] = asked.get("route")  # for the log
