"""From the outbox to the streams: at once after the commit, and again by the relay if need be.

A message leaves right after its transaction committed, straight from memory; its row is deleted
a moment after the streams have confirmed it, when their disk has it too. A process that dies in
between, or a bus that is away, leaves the row behind: it becomes due after `GRACE_S`, and the relay
of any replica publishes it then.
Measured at 16 callers, this halves what events cost compared to relaying every row.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog
from faststream.nats import NatsBroker
from faststream_outbox import OutboxBroker
from faststream_outbox.retry import ExponentialRetry
from nats.aio.client import Client
from nats.errors import Error as NatsError
from sqlalchemy import Table, bindparam, delete
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from chassis.endings import end
from chassis.observability.metrics import LEFT_TO_RELAY
from chassis.outbox.outgoing import Outgoing, read_row
from chassis.outbox.publishing import Publisher

log = structlog.get_logger()
RELAY_QUEUE = "bus"
GRACE_S = 4.0
SYNCED_S = 2.0
"""A server has confirmed a message before it is safe from a power cut: its row stays so long, twice
the server's `sync_interval` where one server keeps the streams."""
CLEAR_EVERY_S = 1.0
"""Rows are cleared so rarely, many at once; with `SYNCED_S` it is less than `GRACE_S`."""
MOST_AT_ONCE = 500
"""Rows that leave from memory at once; beyond that the relay takes its share."""

Row = Sequence[Outgoing]


def relay(outbox: OutboxBroker, broker: NatsBroker, publisher: Publisher, *, workers: int) -> None:
    """Subscribe the relay to a service's outbox: it publishes rows that are due.

    A row comes again, for ever, when the streams did not confirm it. A repeat is recognised by
    its `Nats-Msg-Id` in the stream and by the consumers' inboxes.
    """
    due = outbox.subscriber(
        RELAY_QUEUE,
        max_workers=workers,
        fetch_batch_size=64,
        min_fetch_interval=0.5,
        max_fetch_interval=2.0,
        lease_ttl_seconds=30.0,
        retry_strategy=ExponentialRetry(
            initial_delay_seconds=0.2, max_delay_seconds=10.0, jitter_factor=0.2
        ),
    )
    # Nobody notifies: what is stored is not due yet. It would be a connection that hears nothing.
    # Where the library cannot listen it does without; it has no option to say so. If this name
    # changes, there is one connection more, and a test says so.
    deaf: Any = due
    deaf._open_listen_connection = _deaf  # noqa: SLF001  (no public name turns listening off)

    @due
    async def publish_due(row: list[dict[str, Any]]) -> None:
        await publisher.publish(await broker.connect(), read_row(row))


async def _deaf(_engine: AsyncEngine) -> None:
    """What the library falls back to where it cannot listen: it asks now and then."""


class Departures:
    """Rows of this process that were just committed and leave from memory.

    Attributes:
        publisher: how they leave, and the relay's.
    """

    def __init__(
        self, client: Callable[[], Awaitable[Client]], engine: AsyncEngine, table: Table
    ) -> None:
        """Publish on the connection that `client` gives, delete from `table` on `engine`."""
        self.publisher = Publisher()
        self._client = client
        self._service = str(table.schema)
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._delete = delete(table).where(
            table.c.id.in_(bindparam("ids", expanding=True)), table.c.acquired_token.is_(None)
        )
        self._leaving: set[asyncio.Task[None]] = set()
        self._gone: deque[tuple[float, int]] = deque()
        self._clearing: asyncio.Task[None] | None = None

    @property
    def grace(self) -> timedelta:
        """How long a row may take to leave from memory before the relay looks at it."""
        return timedelta(seconds=GRACE_S)

    def send(self, row_id: int, row: Row) -> None:
        """Have the messages of a committed row leave now."""
        if len(self._leaving) < MOST_AT_ONCE:
            job = asyncio.create_task(self._send(row_id, row))
            self._leaving.add(job)
            job.add_done_callback(self._leaving.discard)

    async def _send(self, row_id: int, row: Row) -> None:
        try:
            client = await self._client()
            if not client.is_connected:
                return  # The client would keep it and send it late, beside the relay.
            await self.publisher.publish(client, row)
        except (NatsError, TimeoutError, OSError, ValueError) as error:
            log.warning("left to the relay", row=row_id, error=error)
            LEFT_TO_RELAY.labels(self._service).inc()
            return
        self._gone.append((time.monotonic(), row_id))
        if self._clearing is None or self._clearing.done():
            self._clearing = asyncio.create_task(self._clear())

    async def _clear(self) -> None:
        """Delete the rows that have left and are safe, many at a time."""
        while self._gone:
            await asyncio.sleep(CLEAR_EVERY_S)
            await self._clear_older(time.monotonic() - SYNCED_S)

    async def _clear_older(self, than: float) -> None:
        while self._gone and self._gone[0][0] < than:
            ids: list[int] = []
            while self._gone and self._gone[0][0] < than and len(ids) < MOST_AT_ONCE:
                ids.append(self._gone.popleft()[1])
            try:
                async with self._engine.connect() as conn:
                    await conn.execute(self._delete, {"ids": ids})
            except (SQLAlchemyError, OSError) as error:
                log.warning("rows will be sent again", rows=len(ids), error=error)

    async def stop(self, at_most_s: float) -> None:
        """Let what is leaving leave; the rest is the relay's."""
        if self._leaving:
            await asyncio.wait(set(self._leaving), timeout=at_most_s)
        if self._clearing is not None:
            await end(self._clearing)
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self._clear_older(math.inf)
