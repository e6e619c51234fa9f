"""How a service starts, stays up and stops.

`Service` is what a composition root fills in: the bus, the outbox relay, background work, and what
is to happen at its end. `chassis.process` makes it a process.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from functools import partial

import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from sqlalchemy import MetaData

from chassis import topology
from chassis.bus.calls import Bus
from chassis.bus.changes import Changes
from chassis.bus.connecting import close, connect_options, noticed, on_error
from chassis.bus.consumers import Consumers
from chassis.bus.envelopes import new_id
from chassis.bus.flushing import flush
from chassis.bus.leaders import patiently
from chassis.db.database import Database
from chassis.db.pool import shrink
from chassis.db.schema import outbox_table
from chassis.endings import Job, end, repeat, run_for
from chassis.handling.dead_letters import Tell
from chassis.handling.hands import Hands
from chassis.handling.inbox import forget_handled
from chassis.handling.subscribers import Subscribers
from chassis.handling.waiting import WaitingRoom
from chassis.health import Health
from chassis.observability import metrics, telemetry
from chassis.observability.readings import Readings
from chassis.outbox.relay import Departures, relay
from chassis.release import release
from chassis.settings import ServiceSettings
from contracts.base import ping_call
from contracts.changes import ALIVE_EVERY_S
from contracts.topology import Durable

log = structlog.get_logger()

DRIFT_EVERY_S = 10.0
"""How often a service makes sure that its durables are as declared; the keeper mends them."""
FORGET_EVERY_S = 60.0
LOOK_EVERY_S = 1.0
"""How often a replica looks for messages that waited at another, which has died."""
SHRINK_EVERY_S = 1.0
APART_S = 0.02
"""Seconds between the first rounds of background jobs: at once, each would open a connection."""


class Service:
    """One service: its name, its database, its broker, and the work it does by itself.

    Attributes:
        broker: FastStream's; the composition root registers subscribers on it.
        bus: typed requests to other services.
        database: this service's schema.
        subscribers: what it answers and consumes.
        readings: what it looks up for its metrics.
        hands: tells who waits for a reply whether it has the request.
        health: whether it can do its work.
        details: what it tells about itself when asked whether it lives, such as adapters in use.
    """

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        metadata: MetaData,
        *,
        planned_each: bool = False,
    ) -> None:
        """Wire broker, database and outbox for the context `name`; nothing is opened yet.

        With `planned_each` its database is as `Database` says of that.
        """
        self.name = name
        self.settings = settings
        self.broker = NatsBroker(
            **connect_options(settings, f"{name}_svc"),
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            closed_cb=self._on_closed,
            error_cb=self._on_error,
            # Dispatch is ours (`subscribers`): a model of each handler would be made for nobody.
            serializer=None,
            logger=None,
        )
        self.bus = Bus(self.broker, name)
        self.database = Database(
            settings.database_url,
            metadata,
            pool=settings.database_pool,
            relay_workers=settings.outbox_workers,
            planned_each=planned_each,
        )
        self.departures = Departures(
            self._connection, self.database.engine, outbox_table(self.database.metadata)
        )
        relay(
            self.database.outbox,
            self.broker,
            self.departures.publisher,
            workers=settings.outbox_workers,
        )
        self.database.departures = self.departures
        self.changes = self.database.changes = Changes(name, self._connection)
        self.readings = Readings(name, self.database)
        self.readings.follow(self._streams)
        metrics.start_counting(name)
        self._client: Client | None = None
        self._lost: asyncio.TimerHandle | None = None
        self.stopping = False
        self._starts: list[Job] = []
        self._stops: list[Callable[[], object]] = []
        self._ends: list[Job] = []
        self._loops: list[tuple[float, Job, bool]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._last_tasks: list[asyncio.Task[None]] = []
        self._buried: dict[str, Tell] = {}
        self.waiting = WaitingRoom(self.database)
        self.subscribers = Subscribers(
            self.broker, self.database, self.bus, self.changes, self.waiting, self._buried
        )
        self.answer, self.consume = self.subscribers.answer, self.subscribers.consume
        self.hands = Hands(name, new_id(), self.subscribers.requests)
        self.consumers = Consumers(self.broker)
        self.health = Health(
            name,
            self.hands.instance,
            self._connection,
            self.database,
            self.departures,
            self.consumers,
        )
        self.details = self.health.details
        self.answer(ping_call(name), self.health.pong)
        self.every(DRIFT_EVERY_S, self.health.look_for_drift)
        self.every(FORGET_EVERY_S, partial(forget_handled, self.database.engine, name))
        self.every(LOOK_EVERY_S, self.waiting.look)
        self.every(SHRINK_EVERY_S, partial(shrink, self.database.engine))
        self.every(ALIVE_EVERY_S, self.changes.alive, to_the_end=True)

    def at_start(self, job: Job) -> None:
        """Run `job` once, after the bus is connected and before messages are consumed."""
        self._starts.append(job)

    def at_stop(self, do: Callable[[], object]) -> None:
        """Call `do` once when the service is told to stop, before it lets its work finish."""
        self._stops.append(do)

    def at_end(self, job: Job) -> None:
        """Run `job` once when the service stops, after the last message was handled."""
        self._ends.append(job)

    def every(self, seconds: float, job: Job, *, to_the_end: bool = False) -> None:
        """Run `job` again and again, `seconds` after its last run ended; errors are logged.

        Args:
            seconds: between two runs.
            job: what is done.
            to_the_end: also while the service stops, until what runs `at_end` has ended.
        """
        self._loops.append((seconds, job, to_the_end))

    def when_buried(self, durable: Durable, tell: Tell) -> None:
        """Have whoever waits for a message of `durable` told when it became a dead letter."""
        self._buried[durable.name] = tell

    async def start(self) -> None:
        """Connect, check the topology, and begin to work.

        Raises:
            Drift: streams or consumers are not what this release expects.
        """
        log.info("connecting to NATS")
        wait = self.settings.nats_lost_after_s
        noticing = noticed()
        giving_up = asyncio.get_running_loop().call_later(wait, self._give_up, wait)
        try:
            client = self._client = await self.broker.connect()
            noticing.cancel()
            await patiently(partial(topology.verify, client, self.name))
        finally:
            noticing.cancel()
            giving_up.cancel()
        for job in self._starts:
            await job()
        await self.broker.start()
        self.consumers.begun()
        await self.hands.open(client)
        # Whoever sees this service ready is answered. nats-py sends a flush's PING ahead of what
        # is queued, so that only the second one proves that the subscriptions arrived.
        await flush(client)
        await flush(client)
        await self.database.outbox.start()
        self.waiting.open(client, self.subscribers.hands())
        for number, (seconds, job, to_the_end) in enumerate(self._loops):
            tasks = self._last_tasks if to_the_end else self._tasks
            tasks.append(asyncio.create_task(repeat(seconds, job, (number + 1) * APART_S)))
        self.health.started = True
        log.info("service started", version=release())

    async def stop(self) -> None:
        """Take nothing new, finish what is in hand, let the outbox run, close everything."""
        self.stopping = True
        if self._lost is not None:  # A stop while the bus is away is an end in good order.
            self._lost.cancel()
        for do in self._stops:
            do()
        self.waiting.close()
        await end(*self._tasks)
        with contextlib.suppress(NatsError):  # What is left undone comes again.
            await run_for(self.subscribers.close(), self.settings.drain_s)
        drain_s = self.settings.drain_s
        await asyncio.gather(self.subscribers.stop(drain_s), self.waiting.stop(drain_s))
        for job in self._ends:
            await job()
        await end(*self._last_tasks)
        await self.changes.tell()
        await self.departures.stop(self.settings.drain_s)
        await self.database.outbox.stop()
        with contextlib.suppress(NatsError):  # It may be away just now.
            await self.broker.stop()
        if self._client is not None:
            await close(self._client)
        await self.database.engine.dispose()
        await telemetry.stop()
        log.info("service stopped")

    async def refresh(self) -> None:
        """Look up what is shown among the metrics."""
        if self.health.started:
            await self.readings.refresh()

    async def _streams(self) -> JetStreamContext:
        return (await self._connection()).jetstream()

    async def _connection(self) -> Client:
        """The one to the bus; what a service does before its start or after its end opens none.

        Raises:
            ConnectionError: the service was not started.
        """
        if self._client is None:
            raise ConnectionError("the service was not started")
        return self._client

    async def _on_disconnect(self) -> None:
        if self.stopping or self._lost is not None:
            return
        log.warning("connection to NATS lost")
        wait = self.settings.nats_lost_after_s
        self._lost = asyncio.get_running_loop().call_later(wait, self._give_up, wait)

    async def _on_reconnect(self) -> None:
        log.info("connected to NATS again")
        if self._lost is not None:
            self._lost.cancel()
            self._lost = None

    async def _on_error(self, error: Exception) -> None:
        if self._client is not None:
            await on_error(self._client, error)

    async def _on_closed(self) -> None:
        if not self.stopping:
            self._give_up(0)

    def _give_up(self, after_s: float) -> None:
        log.critical(
            "no connection to NATS for good, see NATS_URL; exiting",
            after_s=after_s,
            was_connected=self.health.started,
        )
        os._exit(1)
