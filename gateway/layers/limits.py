"""How large a request's body may be, how long it may take to arrive, and how much all may be."""

import asyncio
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.auth import READING
from gateway.errors import problem

CLOSE = {"Connection": "close"}
CROWDED = "There are too many bodies under way. Try again in a moment."


class TooLarge(Exception):
    """The body is over the limit."""


class Crowded(Exception):
    """All bodies in hand together are as much as this process may hold."""


class Gone(Exception):
    """The caller hung up before the body was complete."""


class BodyLimit:
    """ASGI middleware: reads the whole body first, and refuses what is too large or too slow.

    What has arrived of a body counts until its request is answered. Nobody reads the body of a
    request that only looks, and such an answer may be endless: it is not kept.
    """

    def __init__(self, app: ASGIApp, limit: int, wait_s: float, in_hand: int) -> None:
        """Pass on to `app` bodies of at most `limit` bytes that arrive within `wait_s`.

        All bodies together are at most `in_hand` bytes.
        """
        self._app = app
        self._limit = limit
        self._wait_s = wait_s
        self._room = in_hand

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413, 408 or 503 in place of the app, or run it with the body in hand."""
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        body = _Body()
        try:
            refused = await self._refused(body, scope, receive)
            if refused is not None:
                await refused(scope, receive, send)
                return
            await self._app(scope, _replayed(body.whole(), receive), send)
        except Gone:
            return
        finally:
            self._let_go(body)

    async def _refused(self, body: "_Body", scope: Scope, receive: Receive) -> Response | None:
        """Fill `body`, or say why not."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._read(body, scope, receive)
        except Crowded:
            return problem(503, CROWDED, CLOSE)
        except TooLarge:
            return problem(413, f"The body is larger than {self._limit} bytes.", CLOSE)
        except TimeoutError:
            text = f"The body did not arrive within {self._wait_s:g} seconds."
            return problem(408, text, CLOSE)
        return None

    async def _read(self, body: "_Body", scope: Scope, receive: Receive) -> None:
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._limit:
            raise TooLarge
        kept = scope["method"] not in READING
        seen = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            part = message.get("body", b"")
            more = message.get("more_body", False)
            seen += len(part)
            if seen > self._limit:
                raise TooLarge
            if kept:
                if len(part) > self._room:
                    raise Crowded
                self._room -= len(part)
                body.add(part)

    def _let_go(self, body: "_Body") -> None:
        self._room += body.size
        body.size = 0
        body.arrived.clear()


@dataclass
class _Body:
    """What arrived of a body; its size counts also when it is in the app's hand."""

    arrived: bytearray = field(default_factory=bytearray)
    size: int = 0

    def add(self, part: bytes) -> None:
        self.arrived += part
        self.size += len(part)

    def whole(self) -> bytes:
        """All of it, once."""
        body = bytes(self.arrived)
        self.arrived = bytearray()
        return body


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


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
