"""A server of bare bytes: it reads a request's head, and then writes what a test wants to see."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Self

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
MANY = 4_000
"""Repetitions beyond every limit on pieces and lines that the tests set."""


class RawAgent:
    """Meets every request with one behaviour; knows what was asked, and who is still there."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.heads: list[str] = []
        self.connections = 0
        self.left = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    self.heads.append(head)
                    await reader.readexactly(_length(head))
                    answering = asyncio.ensure_future(self.behaviour(writer))
                    gone = asyncio.ensure_future(reader.read(1))
                    await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
                    gone.cancel()
                    answering.cancel()
                    await asyncio.wait({answering, gone})
                    if not answering.done() or answering.cancelled():
                        break
                    answering.result()
        finally:
            self.left.set()
            writer.close()


def _length(head: str) -> int:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


def sends(*parts: bytes, times: int = 1, close: bool = False) -> Behaviour:
    """Writes the first part once, the second so often, and the rest once."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        first, again, *rest = (*parts, b"")
        for part in (first, *[again] * times, *rest):
            writer.write(part)
            await writer.drain()
        if close:
            writer.close()

    return behave


def then_silence(*parts: bytes) -> Behaviour:
    """Writes these, and keeps the connection."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(parts))
        await writer.drain()
        await asyncio.Event().wait()

    return behave


def trickles(*parts: bytes) -> Behaviour:
    """Writes the first part, and the next again and again, each by itself, without an end."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(parts[0])
        while True:
            await writer.drain()
            await asyncio.sleep(0.001)
            writer.write(parts[1])

    return behave


def plain(body: bytes, status: str = "200 OK", extra: bytes = b"") -> bytes:
    """A whole answer with a content-length."""
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n".encode()
    return head + extra + b"\r\n" + body


TOO_MUCH: dict[str, tuple[Behaviour, str]] = {
    "many little chunks": (
        sends(CHUNKED, b"1\r\nx\r\n", b"0\r\n\r\n", times=MANY, close=True),
        "pieces",
    ),
    # Either limit may be met first: it depends on how the network cuts what is sent.
    "little chunks without an end": (
        sends(CHUNKED, b"1\r\nx\r\n" * 50, times=MANY),
        "(bytes|pieces)",
    ),
    "interim answers": (
        sends(b"", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", times=MANY),
        "lines of headers",
    ),
    "continue, continue": (
        sends(b"", b"HTTP/1.1 100 Continue\r\n\r\n", times=MANY),
        "lines of headers",
    ),
    "many headers": (sends(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n", times=MANY), "lines of headers"),
    "large headers": (
        sends(b"HTTP/1.1 200 OK\r\n", b"x-a: " + b"b" * 8_000 + b"\r\n", times=MANY),
        "bytes of headers",
    ),
    "a large body": (then_silence(plain(b"x" * 2_000_000)), "bytes"),
    "a body without an end": (sends(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 8_000, times=MANY), "bytes"),
    "a chunk that is all extension": (sends(CHUNKED + b"1;", b"x" * 8_000, times=MANY), "bytes"),
    "many trailers": (
        sends(CHUNKED + b"0\r\n", b"x-a: b\r\n", times=MANY * 25),
        "(bytes|pieces)",
    ),
}
"""What no limit lets through, and a pattern of the words by which the failure says why."""

NO_HTTP: dict[str, Behaviour] = {
    "hangs up": sends(close=True),
    "less than promised": sends(plain(b"{}").replace(b": 2", b": 3"), close=True),
    "half a chunk": sends(CHUNKED + b"5\r\nab", close=True),
    "no last chunk": sends(CHUNKED + b"2\r\nab\r\n", close=True),
    "a chunk without a size": sends(CHUNKED + b"x\r\n", close=True),
    "a header without an end": sends(b"HTTP/1.1 200 OK\r\nx-a: ", b"b" * 8_000, times=MANY),
    "a greeting": sends(b"220 mail.example\r\n", close=True),
    "another encoding": sends(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", close=True
    ),
}
"""What breaks off or is no HTTP."""

TOO_SLOW: dict[str, Behaviour] = {
    "silence": then_silence(),
    "silence in the headers": then_silence(b"HTTP/1.1 200 OK\r\n"),
    "silence after an interim answer": then_silence(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "silence in the body": then_silence(plain(b"{}").replace(b": 2", b": 3")),
    "single bytes": trickles(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b" "),
    "single bytes of a header": trickles(b"HTTP/1.1 200 OK\r\nx-a: ", b"b"),
    "single bytes of a chunk's size": trickles(CHUNKED + b"1;", b"x"),
}
"""What does not come to an end in time."""
