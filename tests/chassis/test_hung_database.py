"""A database that hangs is as good as away; one slow statement is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from nats.js import JetStreamContext
from sqlalchemy import literal, select

from chassis.bus.envelopes import new_id
from chassis.db import away as away_rules
from chassis.db import database
from chassis.db.database import Database
from chassis.db.statements import Statement
from chassis.db.transaction import Transaction
from chassis.handling import patience
from tests.chassis import probe
from tests.chassis.conftest import NewDurable
from tests.chassis.consuming import leave_trace, settled, tell, traces
from tests.chassis.probe import Happened
from tests.support.polling import eventually
from tests.support.stack import Stack, running
from tests.support.streams import dead_letters


class Line:
    """A way to the database on which nothing comes through while it is cut."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.port = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self.open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[Line]:
    line, place = Line(), urlsplit(url)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(place.hostname, place.port)
        await asyncio.gather(line.carry(reader, there[1]), line.carry(there[0], writer))

    server = await asyncio.start_server(connect, "127.0.0.1")
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        line.open.set()
        server.close()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "STATEMENT_S", 1.0)


async def test_a_database_that_hangs_costs_a_message_no_tries(
    probe_stack: Stack,
    js: JetStreamContext,
    sql: "asyncpg.Pool[Any]",
    durable: NewDurable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task, away = new_id(), []
    sound = away_rules.is_away

    def is_away(error: Exception) -> bool:
        away.append(sound(error))
        return away[-1]

    monkeypatch.setattr(patience, "is_away", is_away)
    monkeypatch.setattr(database, "ANSWERS_WITHIN_S", 0.5)
    wanted = await durable(task, attempts=1)
    url = probe_stack.database_url("probe")
    async with line_to(url) as line:
        there = urlsplit(url)
        through = there._replace(netloc=there.netloc.replace(f":{there.port}", f":{line.port}"))
        service = probe.build(probe_stack, database_url=through.geturl())
        service.consume(wanted, leave_trace)
        async with running(service):
            line.open.clear()
            id_ = await tell(js, task)

            async def tried() -> bool:
                return len(away) > wanted.attempts

            await eventually(tried)
            line.open.set()
            await eventually(lambda: traces(sql, task))
            await settled(js, wanted)
    assert all(away)
    assert await traces(sql, task) == 1
    assert await dead_letters(js, wanted.name, id_) == []


async def test_a_begin_that_took_too_long_leaves_nobody_else_in_its_transaction(
    probe_stack: Stack, sql: "asyncpg.Pool[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes through when the database goes on: what is committed next would be lost in it."""
    monkeypatch.setattr(database, "ANSWERS_WITHIN_S", 20.0)
    one = Statement(select(literal(1).label("one")), int)

    async def look(db: Database) -> None:
        async with db.transaction() as tx:
            await one.all(tx.conn, {})

    url = probe_stack.database_url("probe")
    async with line_to(url) as line:
        there = urlsplit(url)
        through = there._replace(netloc=there.netloc.replace(f":{there.port}", f":{line.port}"))
        db = Database(through.geturl(), probe.metadata, pool=0, relay_workers=0)
        await look(db)  # So that there is a connection.
        ask = db._look

        async def goes_on() -> None:
            line.open.set()
            await ask()

        monkeypatch.setattr(db, "_look", goes_on)
        line.open.clear()
        with pytest.raises(TimeoutError):
            await look(db)
        task = new_id()
        async with db.transaction() as tx:
            await probe.note(tx.conn, task, "done")
        assert await traces(sql, task) == 1
        await db.engine.dispose()


async def test_one_slow_statement_is_no_database_that_hangs(
    probe_stack: Stack,
    js: JetStreamContext,
    durable: NewDurable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A machine that is slow answers all the same, and the waiting room's own statements are not
    # the slow ones.
    monkeypatch.setattr(database, "ANSWERS_WITHIN_S", 20.0)
    monkeypatch.setattr(database, "STATEMENT_S", 4.0)
    task = new_id()

    async def dawdle(event: Happened, tx: Transaction) -> None:
        await tx.conn.exec_driver_sql(f"SELECT pg_sleep(60), '{event.task_id}'")

    wanted = await durable(task, attempts=2)
    service = probe.build(probe_stack)
    service.consume(wanted, dawdle)
    async with running(service):
        id_ = await tell(js, task)
        [letter] = await eventually(lambda: dead_letters(js, wanted.name, id_))
    assert letter.headers["bazaar-attempts"] == "2"
    assert letter.headers["bazaar-error"].startswith("TimeoutError")
