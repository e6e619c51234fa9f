"""HTTP/1.1 as uvicorn speaks it, with the bounds that uvicorn and its parser do not have.

A connection is held by who sends a request, waits for an answer or takes it; whoever does none of
that is hung up on within seconds. The app bounds how long it waits for a body that it wants.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import ClassVar, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from chassis.http import heads
from chassis.http.bounds import Bounds, is_among, place
from chassis.http.leaving import Leaving, Others

HEADERS_BYTES = 32 * 1024
"""The request line and all headers together; of a body in chunks, what is no content."""
HEADERS = 100
FRAMING = 8
"""Bytes of framing that chunks may have for each byte of content, besides."""


class BoundedProtocol(HttpToolsProtocol):
    """A connection of a server with `Bounds`; made by `serving.bounded`."""

    bounds: ClassVar[Bounds]
    open_from: ClassVar[Counter[str]]
    idle: ClassVar[dict["BoundedProtocol", None]]
    """Connections on which nothing is being answered, longest first."""
    leaving: ClassVar[Others]

    transport: Leaving

    _place: str | None = None
    _ignoring = False
    _in_head = _in_body = False
    _head_bytes = _body_bytes = _beside_bytes = 0
    _asked_anew = b""
    _left: int | None = None
    _deadline: asyncio.TimerHandle | None = None
    _look: asyncio.TimerHandle | None = None
    _answered: RequestResponseCycle | None = None

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, if there is room for it."""
        stream = cast("asyncio.Transport", transport)  # That of a TCP connection always is one.
        super().connection_made(stream)
        self.transport = Leaving(stream, self)
        self._look = self.loop.call_later(self.bounds.take_s, self._look_at_answer)
        address = self.client[0] if self.client else "unknown"
        self._place = place(address)
        self.open_from[self._place] += 1
        crowded = self.open_from[self._place] > self.bounds.from_one
        if crowded and not is_among(address, self.bounds.proxies):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "This address has too many connections.")
        elif len(self.connections) > self.bounds.in_all and not self._make_room():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "There are too many connections.")
        else:
            self.idle[self] = None
            self._within(self.bounds.head_s, self._no_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and tell who answers on it."""
        super().connection_lost(exc)
        self.transport.hang_up()
        self.leave()
        if self._look is not None:
            self._look.cancel()
        if self._place is not None:
            self.open_from[self._place] -= 1
            if not self.open_from[self._place]:
                del self.open_from[self._place]
            self._place = None

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the bounds."""
        if self.transport.is_closing():
            self.transport.drop(data)
            return
        if self._ignoring:
            self.flow.pause_reading()
            return
        was_in_body = self._in_body
        self._unset_keepalive_if_required()
        self._parse(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEADERS_BYTES:
                self._too_large()
        elif was_in_body and self._in_body:
            self._beside_bytes += len(data)
            if self._beside_bytes > HEADERS_BYTES + (FRAMING + 1) * self._body_bytes:
                self._too_large()
        if not self.busy and self._deadline is None:
            self._within(self.bounds.head_s, self._no_head)

    def _parse(self, data: bytes) -> None:
        """Let the parser read; a request that asks for another protocol is read without that."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade as upgrade:
            if not self._deaf():
                head, self._asked_anew = self._asked_anew, b""
                self._new_parser()
                self._parse(head + data[upgrade.args[0] :])

    def _new_parser(self) -> None:
        """As uvicorn makes it."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def resume_writing(self) -> None:
        """Most of what waited was taken."""
        super().resume_writing()
        self._left = None

    # What the parser tells.

    def on_message_begin(self) -> None:
        """A head begins."""
        if self._deaf():
            return
        super().on_message_begin()
        self._in_head = True
        self._in_body = False
        self._head_bytes = self._body_bytes = self._beside_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A part of the request's address."""
        if not self._deaf():
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what comes behind a body in chunks is none."""
        if self._in_head and not self._deaf():
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is whole: count it exactly."""
        if self._deaf():
            return
        self._in_head = False
        if self.parser.should_upgrade():
            self._ask_anew()
            return
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEADERS_BYTES or len(self.headers) > HEADERS:
            self._too_large()
            return
        if len(self.pipeline) >= self.bounds.pipelined:
            self._ignoring = True
            self.cycle.keep_alive = False  # It is the last of those that wait.
            return
        if not self.url.startswith((b"/", b"*")):
            host = heads.host_of(self.url)
            self.headers[:] = [host, *(one for one in self.headers if one[0] != b"host")]
        self._in_time()
        self._in_body = True
        self.idle.pop(self, None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._deaf():
            self._body_bytes += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if not self._deaf() and not self._asked_anew:
            self._in_body = False
            self._in_time()
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request was answered: the next is due, or what is left of this one."""
        super().on_response_complete()
        if self.busy or self.transport.is_closing():
            return
        self.idle[self] = None
        if self._in_head:
            self._within(self.bounds.head_s, self._no_head)
        elif self._in_body:
            self._within(self.bounds.rest_s, self.transport.hang_up)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the shape of all errors."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    # The bounds.

    def _deaf(self) -> bool:
        return self._ignoring or self.transport.is_closing()

    def _within(self, seconds: float, otherwise: Callable[[], None]) -> None:
        self._in_time()
        self._deadline = self.loop.call_later(seconds, otherwise)

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _no_head(self) -> None:
        """Hang up; whoever had begun to ask is told why."""
        if self._in_head:
            text = f"The request's head did not arrive within {self.bounds.head_s:g} seconds."
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, text)
        elif not self.transport.is_closing():
            self.transport.close()

    def _look_at_answer(self) -> None:
        """Cut off who does not take what was sent; a transport waits for that for ever."""
        left = self.transport.get_write_buffer_size()
        if self._left is not None and self._left - left < min(self._left, self.bounds.take_bytes):
            self.transport.abort()
            return
        waits = self.flow.write_paused or self.transport.is_closing()
        self._left = left if waits else None
        self._look = self.loop.call_later(self.bounds.take_s, self._look_at_answer)

    def _make_room(self) -> bool:
        """Close the connection that has been leaving, or idle, longest; whether there is one."""
        if self.leaving:
            next(iter(self.leaving)).hang_up()
        elif self.idle:
            longest = next(iter(self.idle))
            del self.idle[longest]
            longest.transport.hang_up()
        else:
            return False
        return True

    def is_quiet(self) -> bool:
        """Whether nothing is being asked, and nothing was just answered."""
        return self in self.idle and not self._in_head and not self._in_body

    def leave(self) -> None:
        """Nothing is told here any more; as if the caller had hung up."""
        self._in_time()
        self.idle.pop(self, None)
        for cycle in (self._answered, self.cycle):  # Uvicorn tells the request that came last.
            if cycle is not None:
                cycle.disconnected = not cycle.response_complete
                cycle.message_event.set()

    def _ask_anew(self) -> None:
        """We speak no other protocol, and may answer as if none was asked for (RFC 9110, 7.8).

        The parser takes what follows such a head for that protocol, a body too: it gets the head
        again without the header.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(HTTPStatus.NOT_IMPLEMENTED, "This server is no proxy.")
            return
        version = self.parser.get_http_version()
        self._asked_anew = heads.without_upgrade(method, self.url, version, self.headers)

    def _too_large(self) -> None:
        text = "The request's headers are too many or too large."
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text)

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        """Answer and hang up; what is being answered already is answered first."""
        if self.transport.is_closing():
            return
        if self.busy and (self.pipeline or not self._in_body):
            self._ignoring = True
            self.cycle.keep_alive = False
            return
        if self.busy and self.cycle.response_started:
            self.transport.close()
            return
        self.idle.pop(self, None)
        self.transport.write(heads.refusal(status, text))
        self.transport.close()
