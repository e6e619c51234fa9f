"""The end of the stream EVENTS, followed once per gateway whoever reads along."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from contracts.errors import Unavailable
from contracts.topology import EVENTS
from gateway.link import Link
from gateway.live import LiveEvent, live_event

log = structlog.get_logger()

BEAT_S = 1.0
"""How often the server shows that the consumer lives, and how often we look."""
SILENT_BEATS = 5
AGAIN_S = 0.5
FORGET_S = 30.0
"""After so long without us the server forgets the consumer."""
ANSWER_S = 5.0


class Broken(Exception):
    """The consumer is gone, or a message of it is missing."""


@dataclass(slots=True)
class _Ear:
    """One consumer's messages: each once, in order, or `broken` is set."""

    client: Client
    take: Callable[[LiveEvent], None]
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    beats_missed: int = 0
    _heard: int = 0

    async def heard(self, message: Msg) -> None:
        """Take a message, a heartbeat, or a question whether we keep up."""
        if self.broken.is_set():
            return
        self.beats_missed = 0
        headers = message.headers or {}
        if not message.reply.startswith("$JS.ACK."):
            await self._control(message, headers)
            return
        place = message.metadata.sequence
        if place.consumer != self._heard + 1:
            self.broken.set()
            return
        self._heard += 1
        self.take(live_event(place.stream, message.subject, message.headers, message.data))

    async def _control(self, message: Msg, headers: dict[str, str]) -> None:
        asked = message.reply or headers.get("Nats-Consumer-Stalled")
        if asked:
            await self.client.publish(asked)
        last = headers.get("Nats-Last-Consumer")
        if last is not None and int(last) != self._heard:
            self.broken.set()


class Tail:
    """Tells every event once and in order, over lost connections and restarts of the server.

    Each gateway has its own ordered consumer, that lives in the server's memory; when it breaks,
    another takes up where it broke.

    Attributes:
        seen: the sequence of the last event that was told.
        following: whether new events are heard now.
    """

    def __init__(
        self, link: Link, tell: Callable[[LiveEvent], None], changed: Callable[[bool], None]
    ) -> None:
        """Call `tell` for each event, and `changed` when following begins or is interrupted."""
        self._link = link
        self._tell = tell
        self._changed = changed
        self._keeping: asyncio.Task[None] | None = None
        self._following = asyncio.Event()
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
        if self._keeping is None:
            self.seen = 0
            self._keeping = asyncio.create_task(self._keep())
        try:
            async with asyncio.timeout(wait_s):
                await self._following.wait()
        except TimeoutError:
            raise Unavailable("The message bus is not reachable.") from None

    def end(self) -> None:
        """Follow no longer."""
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        self._following.clear()

    async def _keep(self) -> None:
        while True:
            try:
                await self._follow()
            except (Unavailable, Broken, NatsError, TimeoutError, OSError) as error:
                log.info("not following events", error=repr(error)[:200])
            if self.following:
                self._following.clear()
                self._changed(False)
            await asyncio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        """One consumer's life.

        Raises:
            Broken: it is over.
        """
        client = self._link.client
        js = client.jetstream(timeout=ANSWER_S)
        last = (await js.stream_info(EVENTS.name)).state.last_seq
        if not self.seen or last < self.seen:  # The first time, or the stream was made anew.
            self.seen = last
        ear = _Ear(client, self._take)
        subscription = await client.subscribe(client.new_inbox(), cb=ear.heard)
        try:
            await js.add_consumer(
                EVENTS.name,
                ConsumerConfig(
                    deliver_subject=subscription.subject,
                    deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                    opt_start_seq=self.seen + 1,
                    ack_policy=AckPolicy.NONE,
                    max_deliver=1,
                    idle_heartbeat=BEAT_S,
                    flow_control=True,
                    inactive_threshold=FORGET_S,
                    mem_storage=True,
                    num_replicas=1,
                ),
            )
            self._following.set()
            self._changed(True)
            await self._watch(ear)
        finally:
            if client.is_connected:
                with suppress(NatsError):
                    await subscription.unsubscribe()

    async def _watch(self, ear: _Ear) -> None:
        while ear.beats_missed < SILENT_BEATS:
            if not self._link.connected:
                raise Broken("no connection")
            ear.beats_missed += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await ear.broken.wait()
                    raise Broken("an event is missing")
        raise Broken("no sign of life")

    def _take(self, event: LiveEvent) -> None:
        if event.sequence > self.seen:
            self.seen = event.sequence
            self._tell(event)
