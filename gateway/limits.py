"""How large a request's body may be, and how long it may take to arrive."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import problem

REST_BYTES = 16 * 1024 * 1024
REST_S = 2.0
"""Of a body that is too large, this much is read and thrown away, for at most so long: a caller
that is still sending would not see the answer."""
CLOSE = {"Connection": "close"}


class TooLarge(Exception):
    """The body is over the limit."""

    def __init__(self, more: bool) -> None:
        """Remember whether there is `more` of it to come."""
        super().__init__()
        self.more = more


class Gone(Exception):
    """The caller hung up before the body was complete."""


class BodyLimit:
    """ASGI middleware: reads the whole body first, and refuses what is too large or too slow."""

    def __init__(self, app: ASGIApp, limit: int, wait_s: float) -> None:
        """Pass on to `app` bodies of at most `limit` bytes that arrive within `wait_s`."""
        self._app = app
        self._limit = limit
        self._wait_s = wait_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 or 408 in place of the app, or run it with the body in hand."""
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._wait_s):
                body = await self._read(scope, receive)
        except TooLarge as error:
            if error.more:
                await _discard(scope, receive)
            text = f"The body is larger than {self._limit} bytes."
            await problem(413, text, CLOSE)(scope, receive, send)
            return
        except TimeoutError:
            text = f"The body did not arrive within {self._wait_s:g} seconds."
            await problem(408, text, CLOSE)(scope, receive, send)
            return
        except Gone:
            return
        await self._app(scope, _replayed(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._limit:
            raise TooLarge(more=True)
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._limit:
                raise TooLarge(more)
        return bytes(body)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def _discard(scope: Scope, receive: Receive) -> None:
    if "expect" in Headers(scope=scope):  # the caller asks before it sends; to read is to agree
        return
    seen = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(REST_S):
            more = True
            while more and seen < REST_BYTES:
                message = await receive()
                seen += len(message.get("body", b""))
                more = message.get("more_body", False)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, then whatever the server says (that the caller hung up)."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
