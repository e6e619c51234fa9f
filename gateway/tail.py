"""The end of the stream EVENTS, followed once per gateway whoever reads along."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from chassis.bus import stored
from chassis.bus.calls import UNREACHABLE
from chassis.bus.flushing import flush
from contracts.errors import Unavailable
from contracts.topology import EVENTS
from gateway.link import Link
from gateway.live import PREFIX, LiveEvent, live_event, passes

log = structlog.get_logger()

ALL = f"{PREFIX}>"
PAGE = 200
AGAIN_S = 0.5
BEAT_S = 1.0
"""How often we look although nothing was heard, and whether the connection lives."""
PASSING = 1000
"""What passes and waits for what was heard before it; with more, the oldest is not told."""
SOON_S = 0.01
"""An event is heard while the stream still stores it: how soon we look again, then twice that."""


LOOKS = 3
"""So many in a row have to find the stream shorter than it was: a copy of it on another server of a
cluster may lag for a moment, and only a stream that was made anew stays so."""


class Broken(Exception):
    """The connection is gone."""


class Ended(Exception):
    """Nobody reads along any more."""


@dataclass(slots=True)
class _Ear:
    """Hears that something happened; what it was is read from the stream, in order.

    What only passes is in no stream: it is told when what was heard before it is found.
    """

    tell: Callable[[LiveEvent], None]
    heard: int = 0
    found: int = 0
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    _passing: deque[tuple[int, LiveEvent]] = field(default_factory=lambda: deque(maxlen=PASSING))

    async def hear(self, message: Msg) -> None:
        """Count an event, and wake whoever reads; or let it pass."""
        if passes(message.subject):
            event = live_event(None, message.subject, message.headers, message.data)
            self._passing.append((self.heard, event))
            self.find(0)
            return
        self.heard += 1
        self.woken.set()

    def find(self, more: int) -> None:
        """So many more were read; tell what may pass now."""
        self.found += more
        while self._passing and self._passing[0][0] <= self.found:
            self.tell(self._passing.popleft()[1])


@dataclass(slots=True)
class Shorter:
    """Whether a stream has become shorter than what was read of it."""

    lowest: int = 0
    looks: int = 0

    def place(self, seen: int, end: int) -> int:
        """Where to go on, of a stream read up to `seen` that was just found to end at `end`."""
        if end >= seen:
            self.looks = 0
            return seen
        self.lowest = min(self.lowest, end) if self.looks else end
        self.looks += 1
        if self.looks < LOOKS:
            return seen
        self.looks = 0
        return self.lowest


class Tail:
    """Tells every event once and in order, over lost connections and restarts of the server.

    Events that pass are a reason to look; told is what the stream has, from where we were. So a
    gateway needs no consumer, and nothing that was missed while it was away stays missed.

    Attributes:
        seen: the sequence of the last event that was told.
    """

    def __init__(
        self, link: Link, tell: Callable[[LiveEvent], None], changed: Callable[[bool], None]
    ) -> None:
        """Call `tell` for each event, and `changed` when following begins or is interrupted."""
        self._link = link
        self._tell = tell
        self._changed = changed
        self._keeping: asyncio.Task[None] | None = None
        self._wanted = False
        self._following = asyncio.Event()
        self._shorter = Shorter()
        self.seen = 0

    @property
    def following(self) -> bool:
        """Whether new events are heard now."""
        return self._following.is_set()

    async def begin(self, wait_s: float) -> None:
        """Follow, from the stream's present end when that did not happen yet.

        Raises:
            Unavailable: that was not possible in time; it goes on trying.
        """
        if not self._wanted:
            self._wanted = True
            if not self.following:
                self.seen = 0
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())
        try:
            async with asyncio.timeout(wait_s):
                await self._following.wait()
        except TimeoutError:
            raise Unavailable(UNREACHABLE) from None

    async def reaches(self, place: int, wait_s: float) -> bool:
        """Whether the stream goes so far, once what it has up to there was told.

        Another gateway may have told a moment ago what is still new to this one.

        Raises:
            Unavailable: it does go so far, and this gateway does not get there in time.
        """
        soon_s, looks = SOON_S, 0
        try:
            async with asyncio.timeout(wait_s):
                while self.seen < place and looks < LOOKS:
                    newest = await stored.last(self._link.client, EVENTS.name, ALL)
                    there = newest is not None and newest.sequence >= place
                    looks = 0 if there else looks + 1
                    await asyncio.sleep(soon_s if there else BEAT_S)
                    soon_s = min(2 * soon_s, BEAT_S)
        except (NatsError, TimeoutError, OSError):
            raise Unavailable(UNREACHABLE) from None
        return self.seen >= place

    def end(self) -> None:
        """Follow no longer; whoever begins again within a beat finds it still following.

        The task is not cancelled, it sees by itself that it is not wanted: some waits of the
        client swallow a cancellation, others break the connection by it.
        """
        self._wanted = False

    def _check(self) -> None:
        """Make sure that somebody still wants this.

        Raises:
            Ended: nobody does. From here on `begin` waits until it follows again.
        """
        if not self._wanted:
            self._following.clear()
            raise Ended

    async def _keep(self) -> None:
        try:
            while self._wanted:
                await self._keep_on()
        finally:
            self._keeping = None
            self._following.clear()

    async def _keep_on(self) -> None:
        """Follow until that ends, and say so when it ended by itself."""
        try:
            await self._follow()
        except Ended:
            return
        except (Unavailable, Broken, NatsError, TimeoutError, OSError) as error:
            log.info("not following events", error=error)
        if self.following:
            self._following.clear()
            self._changed(False)
        await asyncio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        """Follow over one connection.

        Raises:
            Broken: it is gone.
            Ended: this is not to be followed any more.
        """
        client = self._link.client
        ear = _Ear(self._tell_passing)
        subscription = await client.subscribe(ALL, cb=ear.hear)
        try:
            await flush(client)
            await self._find_end(client)
            self._check()
            self._following.set()
            self._changed(True)
            await self._read_on(client, ear)
        finally:
            if client.is_connected:
                with suppress(NatsError):
                    await subscription.unsubscribe()

    def _tell_passing(self, event: LiveEvent) -> None:
        if self._wanted and self.following:
            self._tell(event)

    async def _find_end(self, client: Client) -> None:
        """Begin at the stream's end, the first time or when the stream was made anew."""
        newest = await stored.last(client, EVENTS.name, ALL)
        self._check()
        end = newest.sequence if newest else 0
        self.seen = self._shorter.place(self.seen, end) if self.seen else end

    async def _read_on(self, client: Client, ear: _Ear) -> None:
        wait_s = SOON_S
        while True:
            heard = ear.heard
            ear.woken.clear()
            new = await self._read(client, ear)
            if new or heard <= ear.found:
                wait_s = SOON_S
            if heard > ear.found and wait_s < BEAT_S:
                await asyncio.sleep(wait_s)
                wait_s *= 2
                continue
            # What was heard and never stored was a repeat, that the stream passed over.
            ear.find(max(0, heard - ear.found))
            await self._wait(client, ear)

    async def _read(self, client: Client, ear: _Ear) -> int:
        """Tell what is new in the stream; how much that was."""
        told, left = 0, 1
        while left:
            page = await stored.read(client, EVENTS.name, ALL, self.seen + 1, PAGE)
            self._check()
            for one in page.messages:
                self.seen = one.sequence
                if not passes(one.subject):  # Of a bus whose streams are those of 0.2.0.
                    self._tell(live_event(one.sequence, one.subject, one.headers, one.data))
                ear.find(1)
            told += len(page.messages)
            left = page.left
        return told

    async def _wait(self, client: Client, ear: _Ear) -> None:
        """Until something is heard, or it is time to look all the same."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                await ear.woken.wait()
                return
        if not client.is_connected or client is not self._link.client:
            raise Broken("no connection")
        await self._find_end(client)
