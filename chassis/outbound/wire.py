"""The thread that moves bytes: libcurl's transfers, side by side, away from the event loop.

A connection on which a peer sends single bytes would wake the thread for each of them. After the
first `FREE_READS` a connection is therefore read at most once in `PAUSE_S`; what arrives meanwhile
waits in the system's buffer, and when that is full, at the sender.
"""

import contextlib
import heapq
import selectors
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import pycurl
import structlog

from chassis.outbound.errors import Unreachable
from chassis.outbound.transfers import Transfer

log = structlog.get_logger()

STOPPING = "this service is stopping"
JOIN_S = 5.0
"""How long an end waits for the thread, which is a daemon and holds nobody up after it."""
FREE_READS = 64
PAUSE_S = 0.02
_EVENTS = {
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}


@dataclass(slots=True)
class _Watched:
    """A connection in use: what it waits for, and how many reads it still has free at `at`."""

    events: int
    free: float
    at: float
    paused: bool = False


class Wire:
    """Carries transfers; it begins with the first one."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._jobs: deque[tuple[bool, Transfer]] = deque()
        self._thread: threading.Thread | None = None
        self._ending = False

    def start(self, transfer: Transfer) -> None:
        """Send a request on its way."""
        if self._ending:
            transfer.settle(Unreachable(STOPPING, sent=False))
            return
        if self._thread is None:
            self._woken, self._waker = socket.socketpair()
            self._woken.setblocking(False)
            self._waker.setblocking(False)
            self._thread = threading.Thread(target=self._run, name="outbound", daemon=True)
            self._thread.start()
        self._do(True, transfer)

    def drop(self, transfer: Transfer) -> None:
        """End a transfer that nobody waits for any more, and its connection."""
        self._do(False, transfer)

    def stop(self) -> None:
        """End all transfers and the thread; returns when it has ended, or is stuck."""
        if self._thread is None:
            return
        self._ending = True
        self._wake()
        self._thread.join(JOIN_S)
        stuck, self._thread = self._thread.is_alive(), None
        if not stuck:
            self._woken.close()
            self._waker.close()

    def _do(self, begin: bool, transfer: Transfer) -> None:
        self._jobs.append((begin, transfer))
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # It has been woken often enough.
            self._waker.send(b"\0")

    # What follows runs in the thread.

    def _run(self) -> None:
        self._multi: Any = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._due: float | None = None
        self._watched: dict[int, _Watched] = {}
        self._resting: list[tuple[float, int]] = []
        self._handles: dict[Transfer, Any] = {}
        self._transfers: dict[Any, Transfer] = {}
        with selectors.DefaultSelector() as self._selector:
            self._selector.register(self._woken, selectors.EVENT_READ)
            while not self._ending:
                try:
                    self._turn()
                except Exception:  # Without this thread nobody would be called any more.
                    log.exception("calls came to nothing")
                    self._end_all(list(self._handles), "something went wrong here")
            self._end_all([*self._handles, *(transfer for _, transfer in self._jobs)], STOPPING)
            self._multi.close()

    def _end_all(self, transfers: list[Transfer], why: str) -> None:
        for transfer in transfers:
            self._forget(transfer)
            transfer.settle(Unreachable(why))

    def _turn(self) -> None:
        """Wait for what is next, and do it."""
        for key, events in self._selector.select(self._patience()):
            if key.fd == self._woken.fileno():
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4_096)
            elif self._may_read(key.fd):
                mask = (pycurl.CSELECT_IN if events & selectors.EVENT_READ else 0) | (
                    pycurl.CSELECT_OUT if events & selectors.EVENT_WRITE else 0
                )
                self._multi.socket_action(key.fd, mask)
        self._take_jobs()
        now = time.monotonic()
        if self._due is not None and now >= self._due:
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        while self._resting and self._resting[0][0] <= now:
            _, fd = heapq.heappop(self._resting)
            if (watched := self._watched.get(fd)) and watched.paused:
                watched.paused = False
                self._selector.register(fd, watched.events)
        self._collect()

    def _patience(self) -> float | None:
        until = [self._due] if self._due is not None else []
        until += [self._resting[0][0]] if self._resting else []
        return max(0.0, min(until) - time.monotonic()) if until else None

    def _may_read(self, fd: int) -> bool:
        """Whether a connection may be read now; if not, it is left alone for a while."""
        watched = self._watched.get(fd)
        if watched is None:
            return False
        now = time.monotonic()
        watched.free = min(FREE_READS, watched.free + (now - watched.at) / PAUSE_S)
        watched.at = now
        if watched.free < 1:
            watched.paused = True
            self._selector.unregister(fd)
            heapq.heappush(self._resting, (now + (1 - watched.free) * PAUSE_S, fd))
            return False
        watched.free -= 1
        return True

    def _take_jobs(self) -> None:
        while self._jobs:
            begin, transfer = self._jobs.popleft()
            if not begin:
                self._forget(transfer)
                continue
            try:
                curl = transfer.handle()
            except (pycurl.error, ValueError, TypeError) as error:
                log.warning("call cannot be made", error=repr(error)[:500])
                transfer.settle(Unreachable("it cannot be asked this", sent=False))
                continue
            self._handles[transfer] = curl
            self._transfers[curl] = transfer
            self._multi.add_handle(curl)

    def _collect(self) -> None:
        left = 1
        while left:
            left, done, failed = self._multi.info_read()
            for curl, code in [*((curl, pycurl.E_OK) for curl in done), *(f[:2] for f in failed)]:
                transfer = self._transfers[curl]
                transfer.ended(curl, code)
                self._forget(transfer)

    def _forget(self, transfer: Transfer) -> None:
        curl = self._handles.pop(transfer, None)
        if curl is not None:
            del self._transfers[curl]
            self._multi.remove_handle(curl)
            curl.close()

    def _on_timer(self, timeout_ms: int) -> None:
        self._due = None if timeout_ms < 0 else time.monotonic() + timeout_ms / 1000

    def _on_socket(self, what: int, fd: int, _multi: Any, _data: Any) -> None:
        watched = self._watched.get(fd)
        events = _EVENTS.get(what)
        if events is None:
            if watched is not None:
                del self._watched[fd]
                if not watched.paused:
                    self._selector.unregister(fd)
        elif watched is None:
            self._watched[fd] = _Watched(events, FREE_READS, time.monotonic())
            self._selector.register(fd, events)
        else:
            watched.events = events
            if not watched.paused:
                self._selector.modify(fd, events)
