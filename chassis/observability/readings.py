"""What a service looks up for its metrics: rows in its outbox, lag of its durables, its pool.

Looked up when somebody asks, and not again for `READ_EVERY_S`, so that nobody pays for what
nobody reads.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from sqlalchemy import Column, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.database import Database
from chassis.db.schema import outbox_table, waiting_table
from chassis.observability.metrics import (
    CONSUMER_IN_WORK,
    CONSUMER_PENDING,
    OUTBOX_ROWS,
    OUTBOX_SECONDS,
    POOL,
    READ_FAILURES,
    WAITING,
    WAITING_SECONDS,
)
from contracts.topology import DURABLES

log = structlog.get_logger()

READ_EVERY_S = 15.0
READ_WITHIN_S = 5.0
MOST_ROWS = 10_000
"""Rows are counted no further than this: a long queue must not make looking at it dear."""

Reading = Callable[[AsyncConnection], Awaitable[object]]


class Readings:
    """What a service looks up for its metrics, at most every `READ_EVERY_S`."""

    def __init__(self, service: str, db: Database) -> None:
        """Nothing is looked up before somebody asks."""
        self._service = service
        self._db = db
        self._readings: list[Reading] = []
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")
        self._streams: Callable[[], Awaitable[JetStreamContext]] | None = None

    def add(self, reading: Reading) -> None:
        """Have `reading` called with a connection; it sets gauges."""
        self._readings.append(reading)

    def follow(self, streams: Callable[[], Awaitable[JetStreamContext]]) -> None:
        """Look up the lag of the service's durables as well."""
        self._streams = streams

    async def refresh(self) -> None:
        """Look everything up, unless that was done a moment ago; failures are counted."""
        self._count_pool()
        async with self._reading:
            if time.monotonic() - self._read_at < READ_EVERY_S:
                return
            try:
                async with asyncio.timeout(READ_WITHIN_S):
                    await self._look()
            except (SQLAlchemyError, NatsError, TimeoutError, OSError) as error:
                READ_FAILURES.labels(self._service).inc()
                log.warning("metrics not read", error=error)
            self._read_at = time.monotonic()

    async def _look(self) -> None:
        if self._streams is not None:
            await _read_lag(await self._streams(), self._service)
        async with self._db.engine.connect() as conn:
            outbox, room = (find(self._db.metadata) for find in (outbox_table, waiting_table))
            count, oldest_s = await _count(conn, outbox.c.created_at)
            OUTBOX_ROWS.labels(self._service).set(count)
            OUTBOX_SECONDS.labels(self._service).set(oldest_s)
            count, oldest_s = await _count(conn, room.c.since)
            WAITING.labels(self._service).set(count)
            WAITING_SECONDS.labels(self._service).set(oldest_s)
            for reading in self._readings:
                await reading(conn)

    def _count_pool(self) -> None:
        pool = self._db.engine.pool
        for state in ("size", "checkedout"):
            with suppress(AttributeError):
                POOL.labels(self._service, state).set(getattr(pool, state)())


async def _read_lag(js: JetStreamContext, service: str) -> None:
    for durable in DURABLES:
        if durable.context == service:
            found = await js.consumer_info(durable.stream, durable.name)
            CONSUMER_PENDING.labels(durable.name).set(found.num_pending or 0)
            CONSUMER_IN_WORK.labels(durable.name).set(found.num_ack_pending or 0)


async def _count(conn: AsyncConnection, since: Column[datetime]) -> tuple[int, float]:
    """How many rows a table has, up to `MOST_ROWS`, and the age of the oldest in seconds."""
    rows = select(since).order_by(*since.table.primary_key).limit(MOST_ROWS).subquery()
    age = func.extract("epoch", func.clock_timestamp() - func.min(rows.c[since.name]))
    found = await conn.execute(select(func.count(), func.coalesce(age, 0)).select_from(rows))
    count, age_s = found.one()
    return count, float(age_s)
