"""Callers that only count: raw sockets, one thread, next to no processor time.

A caller sends its next request when it has the answer to the last one. Nothing of an answer is
looked at but its status and its length, unless somebody wants to see the bodies.
"""

import selectors
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

QUIET_S = 120.0
"""A server that says nothing for so long is given up."""
PIECE = 256 * 1024
LENGTH = b"\r\ncontent-length:"
OK = 200

Ask = Callable[[int], bytes]
"""The request with a number, as it is sent; numbers count from 0."""


class Watch(Protocol):
    """Who looks at each answer."""

    def mark(self) -> object:
        """What is known when a request is sent."""

    def see(self, number: int, mark: object, body: bytes) -> None:
        """The answer to the request with this number, and what was known when it was sent."""


@dataclass
class Load:
    """What came of it: seconds that each good answer took, and in all; other statuses than 200."""

    took: list[float] = field(default_factory=list)
    seconds: float = 0.0
    refused: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return len(self.took) / self.seconds

    @property
    def p50_ms(self) -> float:
        """The median, in ms."""
        return statistics.median(self.took) * 1000


class _Caller:
    """A connection, and what was asked on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=QUIET_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = 0
        self.began = 0.0
        self.mark: object = None
        self.got = b""
        self.head = 0
        """Bytes of the answer's head, with its empty line; 0 until it is there."""
        self.whole = 0
        """Bytes of the whole answer."""

    def send(self, number: int, asked: bytes, mark: object) -> None:
        self.number, self.mark, self.got, self.head = number, mark, b"", 0
        self.began = time.perf_counter()
        self.socket.sendall(asked)

    def receive(self) -> bool:
        """Take what has come; whether the answer is whole."""
        piece = self.socket.recv(PIECE)
        if not piece:
            raise ConnectionError("The server hung up.")
        self.got += piece
        if not self.head:
            end = self.got.find(b"\r\n\r\n")
            if end < 0:
                return False
            self.head = end + 4
            head = self.got[: end + 2].lower()
            found = head.find(LENGTH)
            if found < 0:
                raise ConnectionError(f"An answer without its length: {head!r}")
            found += len(LENGTH)
            self.whole = self.head + int(head[found : head.index(b"\r", found)])
        return len(self.got) >= self.whole


def drive(
    port: int,
    ask: Ask,
    *,
    callers: int,
    seconds: float | None = None,
    calls: int | None = None,
    watch: Watch | None = None,
) -> Load:
    """Have so many callers ask a server on 127.0.0.1.

    Args:
        port: where it is.
        ask: makes the requests.
        callers: how many ask at once, each on a connection of its own.
        seconds: nobody asks any more after so long.
        calls: how many requests there are in all; there is no limit without it.
        watch: looks at each answer.

    Raises:
        ConnectionError: a connection ended, or brought something else than plain HTTP/1.1.
        TimeoutError: nothing was answered for two minutes.
    """
    load, sent, open_ = Load(), 0, callers
    lines = [_Caller(port) for _ in range(callers)]
    with selectors.DefaultSelector() as poll:
        began = time.perf_counter()
        until = began + (float("inf") if seconds is None else seconds)
        for line in lines:
            poll.register(line.socket, selectors.EVENT_READ, line)
            line.send(sent, ask(sent), watch and watch.mark())
            sent += 1
        while open_:
            ready = poll.select(QUIET_S)
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                line = key.data
                if not line.receive():
                    continue
                now = time.perf_counter()
                if (status := int(line.got[9:12])) != OK:
                    load.refused[status] += 1
                else:
                    load.took.append(now - line.began)
                    if watch is not None:
                        watch.see(line.number, line.mark, line.got[line.head :])
                if now < until and (calls is None or sent < calls):
                    line.send(sent, ask(sent), watch and watch.mark())
                    sent += 1
                else:
                    open_ -= 1
        load.seconds = time.perf_counter() - began
    for line in lines:
        line.socket.close()
    return load


def answered(load: Load) -> Load:
    """The load; what was not answered with 200 is told.

    Raises:
        RuntimeError: that was more than what was.
    """
    if load.refused:
        text = f"beside {len(load.took)} good answers: {dict(load.refused)}"
        print(text, file=sys.stderr, flush=True)
        if load.refused.total() > len(load.took):
            raise RuntimeError(text)
    return load


def in_turn(requests: Iterable[bytes]) -> Ask:
    """These requests, again and again."""
    listed = list(requests)
    return lambda number: listed[number % len(listed)]
