"""Connections that come and go under a service."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Boolean, String, literal, select, text
from sqlalchemy.exc import DBAPIError

from chassis.bus.envelopes import new_id
from chassis.db import database, pool
from chassis.db.at_once import Left, at_once
from chassis.db.away import Away, is_away, is_unstorable
from chassis.db.database import Database
from chassis.db.pool import OFTEN, shrink
from chassis.db.statements import Statement
from tests.chassis import probe
from tests.support.polling import eventually
from tests.support.stack import Stack, connected

END_ALL = """
    SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE usename = $1
"""


@pytest.fixture
async def db(probe_stack: Stack) -> AsyncIterator[Database]:
    url = probe_stack.database_url("probe")
    found = Database(url, probe.metadata, pool=1, relay_workers=1)
    yield found
    await found.engine.dispose()


async def note(db: Database, task: str) -> None:
    async with db.transaction() as tx:
        await probe.note(tx.conn, task, "done")


ALL_AT_ONCE = at_once(
    "probe",
    """
    begun AS (INSERT INTO probe.effects (task_id, what) SELECT :task, 'begun'
              WHERE NOT EXISTS (SELECT FROM probe.effects WHERE task_id = :task) RETURNING seq),
    ended AS (INSERT INTO probe.effects (task_id, what) SELECT :task, 'ended' FROM begun
              WHERE :goes RETURNING seq)
    """,
    Left,
    {"task": String(), "goes": Boolean()},
    first="begun",
    last="ended",
)


async def test_a_transaction_of_one_statement_is_done_whole_or_not_at_all(
    db: Database, probe_stack: Stack
) -> None:
    task = new_id()

    async def run(*, goes: bool) -> bool:
        async with db.transaction(at_once=True) as tx:
            tx.publish(probe.Happened(task_id=task))
            return await tx.at_once(ALL_AT_ONCE, {"task": task, "goes": goes}) is not None

    async def found() -> tuple[int, int]:
        outbox = "SELECT count(*) FROM probe.probe_outbox WHERE position($1::bytea IN payload) > 0"
        effects = "SELECT count(*) FROM probe.effects WHERE task_id = $1"
        async with connected(probe_stack.admin_url) as root:
            return await root.fetchval(effects, task), await root.fetchval(outbox, task.encode())

    assert not await run(goes=False)  # It had begun when it turned out that it does not end.
    assert await found() == (0, 0)
    assert await run(goes=True)
    assert await found() == (2, 1)
    assert not await run(goes=True)  # Something is in the way.
    assert await found() == (2, 1)


async def test_connections_that_the_server_closed_are_replaced_unnoticed(
    db: Database, probe_stack: Stack
) -> None:
    await note(db, new_id())
    for _ in range(3):
        async with connected(probe_stack.admin_url) as root:
            assert await root.fetchval(END_ALL, "bazaar_probe")
        await note(db, new_id())


async def test_a_connection_that_goes_before_its_first_statement_is_away(
    db: Database, probe_stack: Stack
) -> None:
    one = Statement(select(literal(1).label("one")), int)

    async def too_late() -> None:
        async with db.transaction() as tx, connected(probe_stack.admin_url) as root:
            assert await root.fetchval(END_ALL, "bazaar_probe")
            await one.all(tx.conn, {})

    with pytest.raises(DBAPIError) as gone:
        await too_late()
    assert is_away(gone.value)


async def test_who_is_cancelled_while_a_transaction_begins_leaves_nobody_else_in_it(
    db: Database, probe_stack: Stack
) -> None:
    """As when a service stops: what is committed next on the same connection would be lost."""
    one = Statement(select(literal(1).label("one")), int)

    async def look() -> None:
        async with db.transaction() as tx:
            await one.all(tx.conn, {})

    for turns in range(20):
        await look()  # So that there is a connection.
        looking = asyncio.create_task(look())
        for _ in range(turns):
            await asyncio.sleep(0)
        looking.cancel()
        await asyncio.wait({looking})
        task = new_id()
        async with db.transaction() as tx:
            await one.all(tx.conn, {})
            await probe.note(tx.conn, task, "done")
        async with connected(probe_stack.admin_url) as root:
            found = await root.fetchval("SELECT what FROM probe.effects WHERE task_id = $1", task)
        assert found == "done", turns


async def test_what_a_burst_of_work_opened_is_closed_when_it_is_of_no_use(
    probe_stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a word in the log: it happens all the time."""
    caplog.set_level(logging.INFO, "chassis")
    db = Database(probe_stack.database_url("probe"), probe.metadata, pool=4, relay_workers=1)
    meet = asyncio.Barrier(4)

    async def look() -> int:
        async with db.transaction(reads=True) as tx:
            await meet.wait()
            return int(await tx.conn.scalar(text("SELECT pg_backend_pid()")))

    async def burst() -> set[int]:
        return set(await asyncio.gather(*(look() for _ in range(4))))

    pids = await burst()
    await shrink(db.engine, 3_600)
    assert await burst() == pids  # They were used just now.
    await shrink(db.engine, 0)
    assert caplog.records == []
    async with connected(probe_stack.admin_url) as root:
        left = await root.fetch("SELECT pid FROM pg_stat_activity WHERE pid = ANY($1)", [*pids])
    assert len(left) == 1
    again = await burst()  # There is room for as many as before.
    assert len(again) == 4
    assert len(again & pids) == 1
    await db.engine.dispose()


async def test_connections_that_are_used_often_stay_and_others_are_closed(
    probe_stack: Stack,
) -> None:
    db = Database(probe_stack.database_url("probe"), probe.metadata, pool=4, relay_workers=1)

    async def at_once(many: int) -> set[int]:
        meet = asyncio.Barrier(many)

        async def look() -> int:
            async with db.transaction(reads=True) as tx:
                await meet.wait()
                return int(await tx.conn.scalar(text("SELECT pg_backend_pid()")))

        return set(await asyncio.gather(*(look() for _ in range(many))))

    opened = await at_once(4)
    since = time.monotonic()
    for _ in range(OFTEN):
        busy = await at_once(2)
    rare = await at_once(4) - busy  # Once in a while, which is no reason to keep them.
    await shrink(db.engine, time.monotonic() - since)
    async with connected(probe_stack.admin_url) as root:
        left = await root.fetch("SELECT pid FROM pg_stat_activity WHERE pid = ANY($1)", [*opened])
    assert {one["pid"] for one in left} == busy == opened - rare
    await db.engine.dispose()


async def test_who_comes_a_moment_later_waits_for_a_connection_that_is_there(
    probe_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "patience_s", lambda _busy: 60.0)
    db = Database(probe_stack.database_url("probe"), probe.metadata, pool=4, relay_workers=1)

    async def look() -> int:
        async with db.transaction(reads=True) as tx:
            return int(await tx.conn.scalar(text("SELECT pg_backend_pid()")))

    first = await look()
    assert set(await asyncio.gather(*(look() for _ in range(8)))) == {first}
    await db.engine.dispose()


async def test_the_more_connections_there_are_the_longer_somebody_waits_for_one(
    probe_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = [pool.patience_s(busy) for busy in range(1, 20)]
    assert waits == sorted(waits)
    assert waits[0] < waits[1] <= waits[-1] == pool.LONGEST_S
    asked = list[int]()

    def patience_s(busy: int) -> float:
        asked.append(busy)
        return 0.001 if busy < 2 else 60.0

    monkeypatch.setattr(pool, "patience_s", patience_s)
    db = Database(probe_stack.database_url("probe"), probe.metadata, pool=4, relay_workers=1)
    free = asyncio.Event()

    async def look() -> int:
        async with db.transaction(reads=True) as tx:
            pid = int(await tx.conn.scalar(text("SELECT pg_backend_pid()")))
            await free.wait()
            return pid

    async def the_others_wait() -> bool:
        return asked.count(2) == 2

    crowd = asyncio.gather(*(look() for _ in range(4)))  # At once: one opens another, two do not.
    await eventually(the_others_wait)
    free.set()
    assert len(set(await crowd)) == 2
    await db.engine.dispose()


async def test_a_connection_that_goes_in_the_middle_is_told(
    db: Database, probe_stack: Stack
) -> None:
    task = new_id()

    async def interrupted() -> None:
        async with db.transaction() as tx:
            await probe.note(tx.conn, task, "lost")
            async with connected(probe_stack.admin_url) as root:
                assert await root.fetchval(END_ALL, "bazaar_probe")

    with pytest.raises(DBAPIError) as told:  # By the commit, whose outcome nobody must guess.
        await interrupted()
    assert is_away(told.value)
    await note(db, task)
    async with connected(probe_stack.database_url("probe")) as conn:
        kept = await conn.fetch("SELECT what FROM effects WHERE task_id = $1", task)
    assert [row["what"] for row in kept] == ["done"]


async def test_whoever_stands_still_in_a_transaction_holds_up_nobody_for_long(
    db: Database, probe_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a frozen process does, or one whose machine is gone: PostgreSQL hears of no end."""
    monkeypatch.setattr(database, "IDLE_S", 0.5)
    url = probe_stack.database_url("probe")
    frozen = Database(url, probe.metadata, pool=1, relay_workers=1)
    lock, task, thawed = "SELECT pg_advisory_xact_lock(471147)", new_id(), asyncio.Event()

    async def stands_still() -> None:
        async with frozen.transaction() as tx:
            await tx.conn.exec_driver_sql(lock)
            locked.set()
            await thawed.wait()
            await probe.note(tx.conn, task, "late")

    locked = asyncio.Event()
    standing = asyncio.create_task(stands_still())
    await locked.wait()
    async with db.transaction() as tx:
        await tx.conn.exec_driver_sql(lock)
        await probe.note(tx.conn, task, "done")
    thawed.set()
    with pytest.raises(DBAPIError) as told:
        await standing
    assert is_away(told.value)  # It is done again from the beginning.
    await note(frozen, new_id())
    await frozen.engine.dispose()


async def test_a_server_that_is_not_there_is_away() -> None:
    url = "postgresql://nobody:secret@127.0.0.1:9/none"
    nowhere = Database(url, probe.metadata, pool=1, relay_workers=1)
    with pytest.raises(Away, match="the database cannot be reached") as told:
        await note(nowhere, "t")
    assert is_away(told.value)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("value", ["x" * 65, "a\0b", "\ud800"])
async def test_a_value_that_cannot_be_stored_is_not_an_outage(db: Database, value: str) -> None:
    with pytest.raises(DBAPIError) as told:
        await note(db, value)
    assert is_unstorable(told.value)
    assert not is_away(told.value)


async def test_a_defect_is_neither(db: Database) -> None:
    with pytest.raises(DBAPIError) as told:
        async with db.transaction() as tx:
            await tx.conn.exec_driver_sql("SELECT nonsense")
    assert not is_away(told.value)
    assert not is_unstorable(told.value)
    assert not is_away(TimeoutError())  # Not everything that takes too long is the database.
