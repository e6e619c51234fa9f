"""Connections to the database: no more than are of use.

PostgreSQL has a process for each, with the plans of all that was ever prepared there: megabytes. So
the one that was used last is used first, those that a burst left behind are closed, and another is
opened only when those that are there are busy for longer than a moment.
"""

import logging
import time
from collections import deque
from contextlib import suppress
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.queue import Empty

UNUSED_S = 3.0
"""A connection of little use for so many seconds is closed; to open one takes some 10 ms."""
OFTEN = 20
"""How often within that time it has to be used. Background jobs that begin together take a
connection each, if there is one, and can as well wait for each other.
"""
PATIENCE_S, LONGEST_S = 0.005, 0.1
"""Whoever finds the only connection in use waits so long for it before another is opened, which
takes some 10 ms: background jobs that meet share one so. The more there are, the longer, up to so
long: a crowd that keeps the processors busy is not served sooner by more connections, and each
takes work to open.
"""


def patience_s(busy: int) -> float:
    """Seconds that somebody waits for one of so many connections before another is opened."""
    return min(LONGEST_S, PATIENCE_S * busy**2)


class Pool(AsyncAdaptedQueuePool):
    """A pool that takes the connection that was used last, and can give up the others."""

    def _do_get(self) -> ConnectionPoolEntry:
        waited_s = 0.0
        # Looked at again after each wait: of a crowd that came at once, one has opened another.
        while (busy := self.checkedout()) > 0 and self._pool.empty():
            if (more_s := patience_s(busy) - waited_s) <= 0:
                break
            with suppress(Empty):
                return self._pool.get(True, more_s)
            waited_s += more_s
        return super()._do_get()

    def unused(self, seconds: float) -> list[Any]:
        """Take out what was of little use for so long, but never all; the caller closes it."""
        found: list[Any] = []
        while True:  # The newest first. Nothing here waits, so nobody misses them.
            try:
                found.append(self._pool.get(block=False))
            except Empty:
                break
        before = time.monotonic() - seconds
        stay = [one for one in found if _of_use(one, before)] or found[:1]
        for one in reversed(stay):
            self._pool.put(one, block=False)
        gone = [one for one in found if one not in stay]
        for _ in gone:
            self._dec_overflow()
        return gone


# SQLAlchemy tells of a pool by the name of its class: this one would be heard like our own code.
logging.getLogger(f"{Pool.__module__}.{Pool.__name__}").setLevel(logging.WARNING)
FIRST, RETURNED = "first_returned_at", "returned_at"


def _of_use(record: Any, since: float) -> bool:
    """Whether a connection is new since then, or was used often."""
    returned: deque[float] = record.info.get(RETURNED, deque())
    first: float = record.info.get(FIRST, since)
    return first > since or (len(returned) == OFTEN and returned[0] > since)


def watch(engine: AsyncEngine) -> None:
    """Note when each connection of the engine was used."""
    event.listen(engine.sync_engine, "checkin", _note)


async def shrink(engine: AsyncEngine, seconds: float = UNUSED_S) -> None:
    """Close the engine's connections that were of little use for so many seconds."""
    pool = engine.pool
    if isinstance(pool, Pool):
        for one in pool.unused(seconds):
            await greenlet_spawn(one.invalidate)  # With a limit of time, unlike `close`.


def _note(_connection: object, record: Any) -> None:
    now = time.monotonic()
    record.info.setdefault(FIRST, now)
    record.info.setdefault(RETURNED, deque(maxlen=OFTEN)).append(now)
