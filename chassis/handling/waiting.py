"""The waiting room of a service: messages that were put off, kept in its own schema.

On the bus, a message that is put off keeps its place among the few that a durable has in work, and
every look at it is one more delivery. So whoever waits for longer than a moment is acknowledged
there and waits here, where there is room. When it is due, one replica takes it and hands it to the
handler it came from; while that works, the row is not due for any other.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from sqlalchemy import JSON, Float, Row, bindparam, delete, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from chassis.db.away import Away
from chassis.db.database import Database
from chassis.db.intervals import after
from chassis.db.schema import waiting_table
from chassis.endings import end

log = structlog.get_logger()

LEASE_S = 15.0
"""After this long without a sign of life, a message that was taken is due again."""
MOST_AT_ONCE = 32
"""Messages of one durable that a replica has taken at once, beside those in work on the bus."""

Hand = Callable[[Msg], Awaitable[object]]


class Parked(Msg):
    """A message out of the waiting room; it is settled there, in the words of the bus.

    Attributes:
        tries: how often it was handled before, on the bus and since.
        failures: how many of these failed.
        waited_s: seconds since it was put off for the first time.
    """

    def __init__(self, room: "WaitingRoom", client: Client, row: Row[Any]) -> None:
        """The message of a row that was just taken."""
        super().__init__(client, row.subject, row.reply, row.body, row.headers)
        self._room = room
        self.consumer: str = row.consumer
        self.message_id: str = row.message_id
        self.tries: int = row.tries - 1
        self.failures: int = row.failures - 1
        self.waited_s = float(row.waited_s)
        self._writing = asyncio.Lock()
        self._settled = False

    async def ack(self) -> None:
        """It was handled: forget it."""
        await self._room.forget(self)

    async def term(self) -> None:
        """It was put aside: forget it."""
        await self._room.forget(self)

    async def nak(self, delay: float | None = None) -> None:
        """It is due again in `delay` seconds, and this was no failure."""
        await self.put_off(self.failures, delay or 0)

    async def put_off(self, failures: int, delay_s: float) -> None:
        """It is due again in `delay_s` seconds, after so many failures."""
        async with self._writing:
            self._settled = True
            await self._room.put_off(self, failures, delay_s)

    async def in_progress(self) -> None:
        """A sign of life; once it was put off, it would undo that."""
        try:
            async with self._writing:
                if not self._settled:
                    await self._room.put_off(self, self.failures + 1, LEASE_S)
        except (SQLAlchemyError, Away, OSError) as error:
            log.warning("no sign of life", consumer=self.consumer, error=error)


class WaitingRoom:
    """The messages of one service that wait; shared by its replicas."""

    def __init__(self, db: Database) -> None:
        """Nothing is taken before `open`."""
        self._db = db
        table = waiting_table(db.metadata)
        due_at = after(bindparam("delay_s", type_=Float))
        this = (table.c.consumer == bindparam("who"), table.c.message_id == bindparam("what"))
        self._keep = insert(table).values(due_at=due_at).on_conflict_do_nothing()
        self._put_off = update(table).where(*this).values(due_at=due_at)
        self._forget = delete(table).where(*this)
        self._take = text(_TAKE.format(table=f'"{db.schema}".waiting')).columns(headers=JSON())
        self._hands: Mapping[str, Hand] = {}
        self._client: Client | None = None
        self._taken: Counter[str] = Counter()
        self._jobs: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._looking = asyncio.Lock()
        self._behind = False

    def open(self, client: Client, hands: Mapping[str, Hand]) -> None:
        """Hand messages of these durables to their handlers from now on."""
        self._client, self._hands = client, hands

    def close(self) -> None:
        """Take nothing any more."""
        self._hands = {}
        if self._timer is not None:
            self._timer.cancel()

    async def stop(self, at_most_s: float) -> None:
        """Let what is in hand end, for so long; the rest is given back."""
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=at_most_s)
        await end(*self._jobs)

    async def keep(
        self, raw: Msg, message_id: str, *, tries: int, failures: int, delay_s: float
    ) -> None:
        """Let a message wait here, and have the bus forget it.

        Args:
            raw: as it was delivered.
            message_id: by which the inbox knows it.
            tries: how often it was handled.
            failures: how many of these failed.
            delay_s: seconds until it is due.

        Raises:
            Away: the database is.
        """
        if isinstance(raw, Parked):
            await raw.put_off(failures, delay_s)
            return
        async with self._db.transaction(at_once=True) as tx:
            await tx.conn.execute(
                self._keep,
                {
                    "consumer": raw.metadata.consumer,
                    "message_id": message_id,
                    "subject": raw.subject,
                    "reply": raw.reply,
                    "headers": dict(raw.headers or {}),
                    "body": raw.data,
                    "tries": tries,
                    "failures": failures,
                    "delay_s": delay_s,
                },
            )
        with suppress(NatsError):  # It comes again, is put off again, and waits here already.
            await raw.ack()
        self._look_in(delay_s)

    async def put_off(self, parked: Parked, failures: int, delay_s: float) -> None:
        """Have a message due again in `delay_s` seconds."""
        async with self._db.transaction(at_once=True) as tx:
            which = {"who": parked.consumer, "what": parked.message_id}
            await tx.conn.execute(
                self._put_off, {**which, "delay_s": delay_s, "failures": failures}
            )
        self._look_in(delay_s)

    async def forget(self, parked: Parked) -> None:
        """Drop a message that was settled."""
        async with self._db.transaction(at_once=True) as tx:
            await tx.conn.execute(self._forget, {"who": parked.consumer, "what": parked.message_id})

    async def look(self) -> None:
        """Take what is due, as far as there is room, and have it handled."""
        async with self._looking:
            names = list(self._hands)
            rooms = [MOST_AT_ONCE - self._taken[name] for name in names]
            if self._client is None or not any(rooms):
                self._behind = True
                return
            asked = {"consumers": names, "rooms": rooms, "lease_s": LEASE_S}
            async with self._db.transaction(at_once=True) as tx:
                rows = (await tx.conn.execute(self._take, asked)).all()
            found = Counter(row.consumer for row in rows)
            self._behind = any(found[name] == room for name, room in zip(names, rooms, strict=True))
            for row in rows:
                self._start(self._handle(Parked(self, self._client, row)))
            self._taken += found

    async def _handle(self, parked: Parked) -> None:
        try:
            if hand := self._hands.get(parked.consumer):
                await hand(parked)
            else:  # It was told to stop meanwhile.
                await parked.nak()
        finally:
            self._taken[parked.consumer] -= 1
            if self._behind:
                self._look_in(0)

    def _look_in(self, delay_s: float) -> None:
        """Look again when something is due, if nothing is before that."""
        loop = asyncio.get_running_loop()
        at = loop.time() + delay_s
        if not self._hands or (self._timer is not None and self._due_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        # When it is due the handle does not say: uvloop's of what is due at once has no time.
        self._due_at = at
        self._timer = loop.call_at(at, self._due)

    def _due(self) -> None:
        self._timer = None
        self._start(self._try_look())

    async def _try_look(self) -> None:
        try:
            await self.look()
        except (SQLAlchemyError, Away, OSError) as error:
            log.warning("nobody is called from the waiting room", error=error)

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)


_TAKE = """
    WITH due AS (
        SELECT w.consumer, w.message_id
        FROM unnest(CAST(:consumers AS text[]), CAST(:rooms AS int[])) AS c (name, room)
        CROSS JOIN LATERAL (
            SELECT consumer, message_id FROM {table}
            WHERE consumer = c.name AND due_at <= now()
            ORDER BY due_at LIMIT c.room
            FOR UPDATE SKIP LOCKED
        ) AS w
    )
    UPDATE {table} AS taken
    SET tries = tries + 1, failures = failures + 1,
        due_at = now() + make_interval(secs => :lease_s)
    FROM due
    WHERE taken.consumer = due.consumer AND taken.message_id = due.message_id
    RETURNING taken.*, extract(epoch FROM now() - taken.since) AS waited_s
"""
