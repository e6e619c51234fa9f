"""Group commit: many messages, few transactions, and each on its own account."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from chassis.bus.envelopes import new_id, origin
from chassis.db.away import is_away
from chassis.db.database import Database
from chassis.db.groups import ENOUGH, MOST_IN_A_GROUP, GroupCommit, Member
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from tests.chassis import probe
from tests.support.stack import Stack


@dataclass
class Worker:
    """Notes each item in the database; what begins with "bad" is refused after that."""

    groups: list[list[str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self, tx: Transaction, group: Sequence[Member[str]]) -> None:
        await self.gate.wait()
        self.groups.append([member.item for member in group])
        for member in group:
            await probe.note(tx.conn, member.item, "done")
        for member in group:
            if member.item.startswith("bad-"):
                raise ValueError(member.item)


@pytest.fixture
async def db(probe_stack: Stack) -> AsyncIterator[Database]:
    url = probe_stack.database_url("probe")
    found = Database(url, probe.metadata, pool=4, relay_workers=1)
    yield found
    await found.engine.dispose()


def envelope() -> Envelope:
    return origin("test", "test")


async def traces(sql: "asyncpg.Pool[Any]", items: Sequence[str]) -> list[str]:
    rows = await sql.fetch("SELECT task_id FROM effects WHERE task_id = ANY($1)", list(items))
    return sorted(row["task_id"] for row in rows)


async def test_what_comes_meanwhile_is_committed_together(
    db: Database, sql: "asyncpg.Pool[Any]"
) -> None:
    worker, items = Worker(), [new_id() for _ in range(3 * MOST_IN_A_GROUP)]
    group = GroupCommit(db, worker.work)
    adding = [asyncio.create_task(group.add("c", envelope(), item)) for item in items]
    await asyncio.sleep(0)
    worker.gate.set()
    await asyncio.gather(*adding)
    assert [item for found in worker.groups for item in found] == items
    assert max(len(found) for found in worker.groups) <= MOST_IN_A_GROUP
    assert len(worker.groups) <= 4
    assert await traces(sql, items) == sorted(items)


async def test_groups_are_apart_unless_many_wait(db: Database, sql: "asyncpg.Pool[Any]") -> None:
    worker, items = Worker(), [new_id() for _ in range(ENOUGH)]
    worker.gate.set()
    group = GroupCommit(db, worker.work, apart_s=3600)
    await group.add("c", envelope(), items[0])  # After a pause, nobody is waited for.
    adding = [asyncio.create_task(group.add("c", envelope(), item)) for item in items[1:]]
    await asyncio.sleep(0.05)
    assert await traces(sql, items) == items[:1]
    last = new_id()
    await asyncio.gather(*adding, group.add("c", envelope(), last))
    assert await traces(sql, [*items, last]) == sorted([*items, last])
    assert len(worker.groups) == 2


async def test_whoever_waits_is_told_after_the_commit(
    db: Database, sql: "asyncpg.Pool[Any]"
) -> None:
    worker = Worker()
    worker.gate.set()
    group = GroupCommit(db, worker.work)
    for item in [new_id() for _ in range(10)]:
        await group.add("c", envelope(), item)
        assert await traces(sql, [item]) == [item]


async def test_a_message_is_done_once(db: Database, sql: "asyncpg.Pool[Any]") -> None:
    """Whether the repeat is in the same group, in a later one, or of another consumer."""
    worker, here, item = Worker(), envelope(), new_id()
    group = GroupCommit(db, worker.work)
    adding = [asyncio.create_task(group.add("c", here, item)) for _ in range(5)]
    await asyncio.sleep(0)
    worker.gate.set()
    await asyncio.gather(*adding)
    await group.add("c", here, item)
    assert await traces(sql, [item]) == [item]
    await group.add("another", here, item)
    assert await traces(sql, [item]) == [item, item]


async def test_a_bad_message_fails_alone(db: Database, sql: "asyncpg.Pool[Any]") -> None:
    worker = Worker()
    group = GroupCommit(db, worker.work)
    items = [f"{'bad' if n % 7 == 3 else 'good'}-{new_id()}" for n in range(30)]
    adding = [asyncio.create_task(group.add("c", envelope(), item)) for item in items]
    await asyncio.sleep(0)
    worker.gate.set()
    outcomes = await asyncio.gather(*adding, return_exceptions=True)
    for item, outcome in zip(items, outcomes, strict=True):
        assert str(outcome) == (item if item.startswith("bad-") else "None")
    assert await traces(sql, items) == sorted(item for item in items if item.startswith("good"))


async def test_a_bad_message_can_come_again(db: Database, sql: "asyncpg.Pool[Any]") -> None:
    """Its inbox row went with its transaction."""
    worker, here, item = Worker(), envelope(), new_id()
    worker.gate.set()
    group = GroupCommit(db, worker.work)
    with pytest.raises(ValueError, match="bad"):
        await group.add("c", here, f"bad-{item}")
    await group.add("c", here, item)
    assert await traces(sql, [item, f"bad-{item}"]) == [item]


async def test_one_who_stops_waiting_does_not_disturb_the_others(
    db: Database, sql: "asyncpg.Pool[Any]"
) -> None:
    worker, items = Worker(), [new_id() for _ in range(5)]
    group = GroupCommit(db, worker.work)
    adding = [asyncio.create_task(group.add("c", envelope(), item)) for item in items]
    await asyncio.sleep(0)
    adding[2].cancel()
    await asyncio.sleep(0)
    worker.gate.set()
    outcomes = await asyncio.gather(*adding, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(asyncio.CancelledError) == 1
    assert set(await traces(sql, items)) >= set(items) - {items[2]}


async def test_the_group_goes_on_after_an_outage(
    db: Database, sql: "asyncpg.Pool[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, items, tried = Worker(), [new_id() for _ in range(20)], []
    worker.gate.set()
    group = GroupCommit(db, worker.work)
    sound = db.transaction
    with monkeypatch.context() as away:

        def transaction(cause: Envelope | None = None) -> Any:
            tried.append(cause)
            return sound(cause)

        away.setattr(db, "engine", nowhere())
        away.setattr(db, "transaction", transaction)
        adding = [group.add("c", envelope(), item) for item in items]
        outcomes = await asyncio.gather(*adding, return_exceptions=True)
        assert all(isinstance(outcome, Exception) and is_away(outcome) for outcome in outcomes)
        assert len(tried) <= 2  # Nobody waits for twenty attempts in a row.
    await asyncio.gather(*(group.add("c", envelope(), item) for item in items))
    assert await traces(sql, items) == sorted(items)


def nowhere() -> Any:
    """An engine whose server is not there."""
    url = "postgresql://nobody:x@127.0.0.1:9/none"
    return Database(url, probe.metadata, pool=1, relay_workers=1).engine


async def begun(db: Database) -> tuple[Worker, GroupCommit[str], list[str]]:
    """Groups that follow each other after an hour, the first of three items done."""
    worker, items = Worker(), [new_id() for _ in range(3)]
    worker.gate.set()
    group = GroupCommit(db, worker.work, apart_s=3600)
    await group.add("c", envelope(), items[0])
    return worker, group, items


async def test_what_concerns_somebody_who_asks_waits_for_no_others(
    db: Database, sql: "asyncpg.Pool[Any]"
) -> None:
    worker, group, items = await begun(db)
    adding = [asyncio.create_task(group.add("c", envelope(), item)) for item in items[1:]]
    await asyncio.sleep(0)
    await group.settled(lambda item: item == "nobody's", at_most_s=60)
    assert worker.groups == [items[:1]]
    await group.settled(lambda item: item == items[2], at_most_s=60)
    assert await traces(sql, items) == sorted(items)
    await asyncio.gather(*adding)


async def test_what_somebody_waits_for_waits_for_no_others(
    db: Database, sql: "asyncpg.Pool[Any]"
) -> None:
    worker, group, items = await begun(db)
    patient = asyncio.create_task(group.add("c", envelope(), items[1]))
    await asyncio.sleep(0)
    await group.add("c", envelope(), items[2], awaited=True)
    await patient
    assert await traces(sql, items) == sorted(items)
    assert worker.groups == [items[:1], items[1:]]
