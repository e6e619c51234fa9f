"""Closing a connection without taking its last answer back.

A socket that is closed while something that was sent to it is unread is reset by the kernel, and
the answer that was on its way is lost with it. So the writing side is closed first, and what still
comes is read and thrown away for a while (RFC 9112, 9.6).
"""

import asyncio
from typing import ClassVar, Protocol

from chassis.http.bounds import Bounds

REST_BYTES = 16 * 1024 * 1024
"""So much of what still comes is read; whoever sends more is hung up on."""

Others = dict["Leaving", None]
"""The connections of a server that wait for the caller to hang up, longest first."""


class Host(Protocol):
    """Whose connection it is."""

    bounds: ClassVar[Bounds]
    leaving: ClassVar[Others]
    loop: asyncio.AbstractEventLoop

    def is_quiet(self) -> bool:
        """Whether nothing that was sent can be unread."""

    def leave(self) -> None:
        """All was said; what is still being answered is not told any more."""


class Leaving(asyncio.Transport):
    """A transport whose `close` lets the last answer arrive; from then on it counts as closing."""

    def __init__(self, transport: asyncio.Transport, host: Host) -> None:
        """Stand before the transport of `host`."""
        super().__init__()
        self._transport = transport
        self._host = host
        self._unread = 0
        self._end: asyncio.TimerHandle | None = None
        # Its own, so that no answer costs a call more; mypy lets no method be assigned.
        self.write = transport.write  # type: ignore[method-assign]
        self.get_write_buffer_size = transport.get_write_buffer_size  # type: ignore[method-assign]
        self.abort = transport.abort  # type: ignore[method-assign]

    def is_closing(self) -> bool:
        """Whether nothing is answered here any more."""
        return self._end is not None or self._transport.is_closing()

    def close(self) -> None:
        """Say no more, and hang up when the caller does, or has had its time."""
        host = self._host
        if self.is_closing():
            return
        if host.is_quiet() or not self._transport.can_write_eof():
            self._transport.close()
            return
        if len(host.leaving) >= host.bounds.leaving:
            next(iter(host.leaving)).hang_up()
        host.leaving[self] = None
        self._end = host.loop.call_later(host.bounds.rest_s, self.hang_up)
        self._transport.write_eof()
        self._transport.resume_reading()
        host.leave()

    def drop(self, data: bytes) -> None:
        """Something came that nobody reads."""
        self._unread += len(data)
        if self._unread > REST_BYTES:
            self.hang_up()

    def hang_up(self) -> None:
        """Wait for nothing more that comes; what was written is sent all the same."""
        self._host.leaving.pop(self, None)
        if self._end is not None:
            self._end.cancel()
        self._transport.close()
