"""Reading along: who reads which events, what each still has to get, and who is too slow."""

import asyncio
import math
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog
from fastapi import HTTPException

from contracts.errors import Unavailable
from gateway.identity import OVER
from gateway.link import STOPPING, Link
from gateway.live import PREFIX, LiveEvent, notice, position
from gateway.past import Past
from gateway.settings import Settings
from gateway.tail import Tail

log = structlog.get_logger()

RETRY_MS = 1000
"""How long a browser waits before it connects again."""
BEGIN_S = 5.0
NEAR = 500
"""Nearer to the end than so many events, a reader that catches up joins those that follow."""
ROOM_BYTES = 8 * 1024 * 1024
EVERYBODYS = "agent"
"""Agents are listed for all accounts, so what happens to them is told to all."""

End = Literal["too_slow", "stopping", "revoked", "expired"]
_SENTENCES: dict[str, str] = {
    "too_slow": "This reader is too slow. Connect again with Last-Event-ID to go on.",
    "stopping": "This gateway is being stopped. Connect again with Last-Event-ID to go on.",
    **OVER,
    "bus_lost": "The message bus is not reachable. Events will come, none is lost.",
    "bus_back": "The message bus is back.",
    "gap": "Some events after your Last-Event-ID are no longer kept. The rest follows.",
}


def _notice(name: str) -> bytes:
    return notice(name, _SENTENCES[name])


@dataclass(slots=True, eq=False)
class Reader:
    """One connection that reads along.

    Attributes:
        account: whose events.
        task_id: of one task only.
        nouns: only about these; None for all.
        after: begin after this place in the stream; None for what happens from now on.
        since: begin at this time, when that is later than `after`.
        room: events that may wait for the reader to take them.
    """

    account: str
    task_id: str | None = None
    nouns: frozenset[str] | None = None
    after: int | None = None
    since: datetime | None = None
    room: int = 1000
    end: End | None = None
    _waiting: deque[LiveEvent | bytes] = field(default_factory=deque)
    _bytes: int = 0
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def subject(self) -> str:
        """The subject that all of its events are on (and those of others, without a task)."""
        return f"{PREFIX}*.*.{self.task_id}" if self.task_id else f"{PREFIX}>"

    def wants(self, event: LiveEvent) -> bool:
        """Whether an event is for this reader."""
        if event.account != self.account and event.noun != EVERYBODYS:
            return False
        if self.task_id is not None and event.entity != self.task_id:
            return False
        return self.nouns is None or event.noun in self.nouns

    def offer(self, item: LiveEvent | bytes) -> None:
        """Let an event, or a frame without one, wait until it is taken; never blocks."""
        if self.end is not None:
            return
        self._bytes += len(item.body) if isinstance(item, LiveEvent) else 0
        if len(self._waiting) >= self.room or self._bytes > ROOM_BYTES:
            self.cut("too_slow")
            return
        self._waiting.append(item)
        self._woken.set()

    def drop(self) -> None:
        """Forget what waits; the reader resumes by the id of what it got last."""
        self._waiting.clear()

    def finish(self, why: End) -> None:
        """Let it end once it has taken what waits."""
        self.end = self.end or why
        self._woken.set()

    def cut(self, why: End) -> None:
        """Let it end now; what waits is not given to it any more."""
        self.drop()
        self.finish(why)

    async def take(self, wait_s: float) -> LiveEvent | bytes | None:
        """What comes next; None when nothing did in time, or when this is the end."""
        if not self._waiting and self.end is None:
            self._woken.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            except TimeoutError:
                return None
        if not self._waiting:
            return None
        item = self._waiting.popleft()
        self._bytes -= len(item.body) if isinstance(item, LiveEvent) else 0
        return item


class Streams:
    """All readers of this gateway. Events are told to each without waiting for any."""

    def __init__(
        self,
        settings: Settings,
        link: Link,
        heard: Callable[[LiveEvent], None] = lambda _event: None,
    ) -> None:
        """Nobody reads yet, so nothing is followed; `heard` comes before those who read."""
        self._settings = settings
        self._heard = heard
        self._past = Past(link)
        self._tail = Tail(link, self._tell, self._changed)
        self._open: Counter[str] = Counter()
        self._following: dict[str, set[Reader]] = {}
        self._readers: set[Reader] = set()
        self._stopping = False

    @property
    def readers(self) -> int:
        """How many read along now."""
        return len(self._readers)

    def stop(self) -> None:
        """Let every reader end and take no new one: the gateway is about to stop."""
        self._stopping = True
        for reader in self._readers:
            reader.finish("stopping")

    @asynccontextmanager
    async def reading(self, reader: Reader) -> AsyncIterator[None]:
        """Be a reader; from here on nothing that is for it is missed.

        Raises:
            HTTPException: 429, the account has as many as it may.
            Unavailable: the gateway has, or stops, or the bus cannot be followed now.
        """
        with self._counted(reader):
            await self._tail.begin(BEGIN_S)
            if reader.after is None:
                reader.after = self._follow(reader)
            yield

    @contextmanager
    def _counted(self, reader: Reader) -> Iterator[None]:
        if self._stopping:
            raise Unavailable(STOPPING)
        if self._open[reader.account] >= self._settings.event_streams:
            text = f"This account has {self._settings.event_streams} open event streams already."
            raise HTTPException(429, text, {"Retry-After": str(math.ceil(RETRY_MS / 1000))})
        if len(self._readers) >= self._settings.event_streams_in_all:
            raise Unavailable("Too many event streams are open.")
        self._open[reader.account] += 1
        self._readers.add(reader)
        try:
            yield
        finally:
            self._readers.discard(reader)
            self._open -= Counter([reader.account])
            self._leave(reader)
            if not self._readers:
                self._tail.end()

    async def frames(self, reader: Reader, *, resumed: bool) -> AsyncGenerator[bytes]:
        """What a reader gets: what it has missed, then what happens, with signs of life.

        Args:
            reader: as it was given to `reading`.
            resumed: whether `after` is what the caller has seen, so that a gap matters.
        """
        try:
            yield position(reader.after or 0, "hello", RETRY_MS)
            async with aclosing(self._missed(reader, resumed=resumed)) as missed:
                async for frame in missed:
                    yield frame
        except Unavailable:
            yield _notice("bus_lost")
            return
        seen = reader.after or 0
        while True:
            item = await reader.take(self._settings.event_heartbeat_s)
            if isinstance(item, LiveEvent):
                seen = item.sequence or seen
                yield item.frame()
            elif item is not None:
                yield item
            elif reader.end is not None:
                log.info("event stream ended", why=reader.end, account=reader.account)
                yield _notice(reader.end)
                return
            else:
                # Nothing waits, so all that was told up to here is delivered or not for it.
                seen = max(seen, self._tail.seen)
                yield position(seen, "alive")

    async def _missed(self, reader: Reader, *, resumed: bool) -> AsyncGenerator[bytes]:
        """What lies between `after` and the end; then the reader follows."""
        if reader in self._following.get(reader.account, ()):
            return
        at = reader.after or 0
        first = (await self._past.first() or self._tail.seen + 1) if resumed else 1
        there = not resumed or await self._tail.reaches(at, BEGIN_S)
        if resumed and (at < first - 1 or not there):
            yield _notice("gap")
            at = at if there else 0
        joined, since = False, reader.since
        while not joined and reader.end is None:
            joined = self._tail.seen - at <= NEAR
            until = self._follow(reader) if joined else self._tail.seen
            async with aclosing(self._past.read(reader.subject, at + 1, until, since)) as events:
                async for event in events:
                    if reader.end is not None:
                        reader.drop()
                        return
                    if reader.wants(event):
                        yield event.frame()
                    at = event.sequence or at
            at, since = until, None
        reader.after = at

    def _follow(self, reader: Reader) -> int:
        """Tell the reader what happens from now on; the place in the stream that now is."""
        self._following.setdefault(reader.account, set()).add(reader)
        return self._tail.seen

    def _leave(self, reader: Reader) -> None:
        following = self._following.get(reader.account, set())
        following.discard(reader)
        if not following:
            self._following.pop(reader.account, None)

    def _tell(self, event: LiveEvent) -> None:
        self._heard(event)
        if event.noun == EVERYBODYS:
            interested = [reader for readers in self._following.values() for reader in readers]
        else:
            interested = list(self._following.get(event.account, ()))
        for reader in interested:
            if reader.wants(event):
                reader.offer(event)

    def _changed(self, following: bool) -> None:
        for readers in self._following.values():
            for reader in readers:
                reader.offer(_notice("bus_back" if following else "bus_lost"))
