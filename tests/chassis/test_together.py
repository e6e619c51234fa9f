"""Requests that are done together: few transactions, and each request on its own account."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from chassis.bus.envelopes import new_id
from chassis.db.away import Away
from chassis.db.database import Database
from chassis.db.together import MOST_TOGETHER, Together
from tests.chassis import probe
from tests.chassis.test_groups import traces
from tests.support.stack import Stack


@dataclass
class Worker:
    """Notes each item in the database, and tells it back in capitals; what is bad is refused."""

    db: Database
    groups: list[list[str]] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    away: bool = False

    async def work(self, items: Sequence[str]) -> list[str]:
        self.groups.append(list(items))
        self.began.set()
        await self.gate.wait()
        if self.away:
            raise Away("nobody is there")
        async with self.db.transaction() as tx:
            for item in items:
                await probe.note(tx.conn, item, "done")
            for item in items:
                if item.startswith("bad-"):
                    raise ValueError(item)
        return [item.upper() for item in items]


@pytest.fixture
async def worker(probe_stack: Stack) -> AsyncIterator[Worker]:
    db = Database(probe_stack.database_url("probe"), probe.metadata, pool=4, relay_workers=1)
    yield Worker(db)
    await db.engine.dispose()


async def begun(worker: Worker, items: Sequence[str]) -> list["asyncio.Task[str]"]:
    """The first item in work, and the others waiting for it; the gate is open then."""
    together = Together(worker.work)
    doing = [asyncio.create_task(together.do(items[0]))]
    await worker.began.wait()
    doing += [asyncio.create_task(together.do(item)) for item in items[1:]]
    await asyncio.sleep(0)
    worker.gate.set()
    return doing


async def test_what_comes_meanwhile_is_done_together(
    worker: Worker, sql: "asyncpg.Pool[Any]"
) -> None:
    items = [new_id() for _ in range(2 * MOST_TOGETHER)]
    doing = await begun(worker, items)
    assert await asyncio.gather(*doing) == [item.upper() for item in items]
    assert [len(group) for group in worker.groups] == [1, MOST_TOGETHER, MOST_TOGETHER - 1]
    assert await traces(sql, items) == sorted(items)


async def test_who_comes_alone_waits_for_nobody(worker: Worker, sql: "asyncpg.Pool[Any]") -> None:
    worker.gate.set()
    together = Together(worker.work)
    for item in [new_id() for _ in range(5)]:
        assert await together.do(item) == item.upper()
        assert await traces(sql, [item]) == [item]


async def test_one_that_is_refused_does_not_spoil_the_others(
    worker: Worker, sql: "asyncpg.Pool[Any]"
) -> None:
    items = [new_id() for _ in range(6)]
    items[3] = f"bad-{items[3]}"
    outcomes = await asyncio.gather(*await begun(worker, items), return_exceptions=True)
    assert isinstance(outcomes.pop(3), ValueError)
    good = items[:3] + items[4:]
    assert outcomes == [item.upper() for item in good]
    assert await traces(sql, items) == sorted(good)


async def test_while_the_database_is_away_nobody_is_tried_again(worker: Worker) -> None:
    worker.away = True
    items = [new_id() for _ in range(6)]
    outcomes = await asyncio.gather(*await begun(worker, items), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Away] * 6
    assert len(worker.groups) == 2
    worker.away = False
    assert await Together(worker.work).do(items[0]) == items[0].upper()


async def test_one_who_stops_waiting_does_not_disturb_the_others(worker: Worker) -> None:
    items = [new_id() for _ in range(5)]
    doing = await begun(worker, items)
    doing[2].cancel()
    outcomes = await asyncio.gather(*doing, return_exceptions=True)
    assert isinstance(outcomes.pop(2), asyncio.CancelledError)
    assert outcomes == [item.upper() for item in items[:2] + items[3:]]
