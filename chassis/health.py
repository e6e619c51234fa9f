"""Whether a service can do its work: for probes, for who waits for its answers, for metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from nats.aio.client import Client

from chassis import topology
from chassis.bus.consumers import Consumers
from chassis.db.away import TROUBLES, why_away
from chassis.db.database import Database
from chassis.outbox.relay import Departures
from chassis.release import release
from contracts.base import Ping, Pong
from contracts.errors import Unavailable

log = structlog.get_logger()

DATABASE_S = 2.0
"""How long the database may take to say that it is there."""


@dataclass(slots=True)
class Health:
    """What a service knows of its own state.

    Attributes:
        name: of the service.
        instance: which replica.
        connection: gives the connection to the bus; `ConnectionError` before the start.
        database: its own.
        departures: how its messages leave.
        consumers: of its durables.
        started: whether it has begun to work.
        drifted: what is not as declared on the bus, as a sentence.
        details: what it tells about itself when asked whether it lives, such as adapters in use.
    """

    name: str
    instance: str
    connection: Callable[[], Awaitable[Client]]
    database: Database
    departures: Departures
    consumers: Consumers
    started: bool = False
    drifted: str | None = None
    details: dict[str, str] = field(default_factory=dict)

    async def wrong(self) -> list[str]:
        """What is wrong now, as sentences; empty when the service can do its work."""
        if not self.started:
            return ["starting"]
        wrong = []
        client = await self.connection()
        if not client.is_connected:
            wrong.append("not connected to NATS")
        try:
            async with asyncio.timeout(DATABASE_S):
                await self.database.ping()
        except TROUBLES as error:
            wrong.append(f"database {why_away(error)}: {type(error).__name__}")
        wrong += [f"stream {name} takes no messages" for name in self._full()]
        wrong += [f"consumer {name} has stopped" for name in self.consumers.dead()]
        return [*wrong, *([self.drifted] if self.drifted else [])]

    async def able(self) -> tuple[bool, list[str]]:
        """Whether it can do its work now, and what is wrong."""
        wrong = await self.wrong()
        return not wrong, wrong

    async def look_for_drift(self) -> None:
        """Notice that messages may not come as declared; then nobody is told that all is well."""
        try:
            await topology.verify(await self.connection(), self.name)
        except topology.Drift as drift:
            if self.drifted is None:
                log.error("drift", error=str(drift))
            self.drifted = str(drift)
        else:
            self.drifted = None

    async def pong(self, _request: Ping) -> Pong:
        """Say that the service lives and can do its work; `Unavailable` says why it cannot."""
        await self.database.ping()
        if self._full():
            raise Unavailable(f"The message bus has no room for what the {self.name} service says.")
        if wrong := self.drifted or next(iter(self.consumers.dead()), None):
            raise Unavailable(f"Messages may not reach the {self.name} service: {wrong}")
        return Pong(
            service=self.name, version=release(), details=self.details, instance=self.instance
        )

    def _full(self) -> list[str]:
        """The streams that take no messages."""
        return [*self.departures.publisher.intake.full]
