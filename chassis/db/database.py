"""The database of a service: its engine, how transactions open and end, and its inbox."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

from faststream_outbox import OutboxBroker
from sqlalchemy import Interval, MetaData, bindparam, event, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chassis.bus.changes import Changes
from chassis.db import primary
from chassis.db.at_once import Left
from chassis.db.away import ONLY_READS, Away, sqlstate
from chassis.db.pool import Pool, watch
from chassis.db.schema import outbox_table
from chassis.db.statements import Statement
from chassis.db.transaction import Transaction
from chassis.outbox.relay import RELAY_QUEUE, Departures
from chassis.settings import WrongSetting
from contracts.envelope import Envelope

STATEMENT_S = 30
"""How long a statement may take, waiting for locks too."""
IDLE_S = 10
"""How long a transaction may lie open without a statement. Whoever stands still in one, or has lost
its machine, holds what it locked, such as a wallet; then the server ends it.
"""
ANSWERS_WITHIN_S = 2.0
"""How long a database that lives takes at most to say so."""
ROW_HEADERS = {"content-type": "application/json"}
"""By which the relay of every release knows how to read an outbox row."""
WRITE_EVERY_S = 5.0
"""How often a ping tries a write: a server whose disk is full still answers."""


class AlreadyHandled(Exception):
    """The inbox has this message: its effect was committed before."""


def async_url(url: str) -> str:
    """The asyncpg form of a `postgresql://` URL, which may name several hosts and an `sslmode`.

    Raises:
        WrongSetting: it is no URL; the message does not repeat it, as it may hold a password.
    """
    try:
        parsed = make_url(primary.spelled(url))
    except (ArgumentError, ValueError):
        raise WrongSetting("DATABASE_URL is not a URL") from None
    query = {{"sslmode": "ssl"}.get(name, name): value for name, value in parsed.query.items()}
    for_driver = parsed.set(drivername="postgresql+asyncpg", query=query)
    return for_driver.render_as_string(hide_password=False)


class Received(Protocol):
    """A message as far as the inbox is concerned."""

    @property
    def consumer(self) -> str:
        """The durable that delivered it."""

    @property
    def here(self) -> Envelope:
        """Its envelope."""


class _Key(NamedTuple):
    consumer: str
    message_id: str


MessageT = TypeVar("MessageT", bound=Received)


class Database:
    """The engine of one service and its transactions."""

    def __init__(
        self,
        url: str,
        metadata: MetaData,
        *,
        pool: int,
        relay_workers: int,
        planned_each: bool = False,
    ) -> None:
        """Prepare (but not open) connections to `url` for the schema of `metadata`.

        Args:
            url: `postgresql://` with the service's own role.
            metadata: from `service_metadata`.
            pool: connections for messages in work.
            relay_workers: connections that the outbox relay keeps, beside one to fetch.
            planned_each: whether statements are planned for their values each time, and not for
                any: dearer, unless which plan is good depends on what is looked for.
        """
        self.schema = str(metadata.schema)
        self.metadata = metadata
        self.engine: AsyncEngine = create_async_engine(
            async_url(url),
            pool_size=pool + relay_workers + 1,
            max_overflow=0,
            poolclass=Pool,
            pool_use_lifo=True,
            hide_parameters=True,
            pool_timeout=5,
            pool_pre_ping=False,
            connect_args={
                "async_creator_fn": primary.Primary().connect,
                "timeout": 5,
                "command_timeout": STATEMENT_S,
                "server_settings": {
                    "application_name": self.schema,
                    "jit": "off",
                    "plan_cache_mode": "force_custom_plan" if planned_each else "auto",
                    "idle_in_transaction_session_timeout": str(int(IDLE_S * 1000)),
                },
            },
        )
        event.listen(self.engine.sync_engine, "checkout", _replace_spoiled)
        event.listen(self.engine.sync_engine, "handle_error", _give_up_late)
        watch(self.engine)
        # Whoever only looks needs no BEGIN and no COMMIT, each of which is a way to the server.
        self._looking = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.outbox = OutboxBroker(
            self.engine, outbox_table=outbox_table(metadata), logger=None, apply_types=False
        )
        self.departures: Departures | None = None
        table = outbox_table(metadata)
        due_at = func.now() + bindparam("grace", type_=Interval)
        leaving = insert(table).values(
            queue=RELAY_QUEUE,
            headers=ROW_HEADERS,
            payload=bindparam("outbox_row"),
            next_attempt_at=due_at,
        )
        self._store = Statement(leaving.returning(table.c.id), Left)
        self.changes: Changes | None = None
        inbox = metadata.tables[f"{self.schema}.inbox"]
        self._remember = Statement(
            insert(inbox).on_conflict_do_nothing(), tuple, keys=["consumer", "message_id"]
        )
        self._try = (
            insert(inbox)
            .values(consumer="ping", message_id="ping")
            .on_conflict_do_update(
                index_elements=["consumer", "message_id"], set_={"handled_at": func.now()}
            )
        )
        self._wrote_at = float("-inf")
        remember_many = text(
            f"INSERT INTO {self.schema}.inbox (consumer, message_id) "  # noqa: S608  (schema is ours)
            "SELECT * FROM unnest(CAST(:consumers AS text[]), CAST(:ids AS text[])) "
            "ON CONFLICT DO NOTHING RETURNING consumer, message_id"
        )
        self._remember_many = Statement(remember_many, _Key)

    @asynccontextmanager
    async def transaction(
        self,
        cause: Envelope | None = None,
        *,
        begins: bool = False,
        reads: bool = False,
        at_once: bool = False,
    ) -> AsyncIterator[Transaction]:
        """Open a transaction; it commits at the end of the block, or rolls back on an error.

        Args:
            cause: the message being handled; what is published names it as its cause.
            begins: whether it begins something new, which can be refused.
            reads: whether it only looks, and locks nothing: each statement is on its own then, and
                sees what is committed, as it would anyway.
            at_once: whether it is one statement (`chassis.db.at_once`), which commits by itself.

        Raises:
            Away: there is no connection to be had, or the database does not answer.
            Unavailable: it begins something, and the streams take no messages now.
            TimeoutError: a statement took too long, though the database answers.
        """
        committing: Transaction | None = None
        open_: Transaction | None = None
        try:
            async with AsyncExitStack() as stack:
                try:
                    engine = self._looking if reads or at_once else self.engine
                    conn = await stack.enter_async_context(engine.begin())
                except (OSError, PoolTimeout) as error:
                    raise Away("the database cannot be reached") from error
                tx = open_ = Transaction(conn, self.schema, cause, begins, self.departures)
                try:
                    yield tx
                    await tx.flush(self._store)
                    committing = tx
                except DBAPIError as error:
                    if sqlstate(error) == ONLY_READS:
                        await conn.invalidate()  # Another may lead to a server that takes writes.
                    raise
            open_ = None
        except TimeoutError as error:
            if await self._answers():
                raise
            raise Away("the database does not answer") from error
        finally:
            if committing is not None and self.changes is not None:  # It may be when that failed.
                self.changes.note(committing.touched)
            if open_ is not None:
                open_.abandoned()
        tx.committed()

    @asynccontextmanager
    async def effect(self, consumer: str, cause: Envelope) -> AsyncIterator[Transaction]:
        """Open the one transaction in which a durable consumer's message takes effect.

        Raises:
            AlreadyHandled: an earlier delivery of the message was committed.
        """
        async with self.transaction(cause) as tx:
            key = {"consumer": consumer, "message_id": cause.id}
            if not await self._remember.run(tx.conn, key):
                raise AlreadyHandled
            yield tx

    async def first_time(self, tx: Transaction, messages: Sequence[MessageT]) -> list[MessageT]:
        """Put messages into the inbox, by one statement.

        Returns:
            Those that were not there already, each once, in their order.
        """
        keys = {_Key(m.consumer, m.here.id): m for m in messages}
        named = {"consumers": [key[0] for key in keys], "ids": [key[1] for key in keys]}
        fresh = set(await self._remember_many.all(tx.conn, named))
        return [message for key, message in keys.items() if key in fresh]

    async def ping(self) -> None:
        """Ask the database for an answer, and now and then whether it takes a write.

        Raises what the driver raises when it does not.
        """
        if time.monotonic() - self._wrote_at < WRITE_EVERY_S:
            await self._look()
            return
        async with self.transaction() as tx:
            await tx.conn.execute(self._try)
        self._wrote_at = time.monotonic()

    async def _look(self) -> None:
        async with self.engine.connect() as conn:
            await conn.execute(text("SELECT 1"))

    async def _answers(self) -> bool:
        """Whether the database answers at all, which one slow statement does not tell."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                await self._look()
        except (DBAPIError, PoolTimeout, OSError):
            return False
        return True


def _replace_spoiled(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool open a connection anew when it was closed, or is in a transaction.

    What is done next on it would be a part of that transaction, and never be committed.
    """
    driver = connection.driver_connection
    if driver.is_closed() or driver.is_in_transaction():
        raise DisconnectionError


def _give_up_late(context: ExceptionContext) -> None:
    """Have a connection given up on which something took too long, as when somebody is cancelled.

    A BEGIN or COMMIT may have come through all the same, and the driver does not know of it.
    """
    if isinstance(context.original_exception, TimeoutError):
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False
