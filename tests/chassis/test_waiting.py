"""Waiting is not failing: it costs no tries and no place, and ends when the patience does."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from chassis.bus.envelopes import new_id
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chassis.handling import patience, settling
from chassis.handling.dead_letters import Buried
from chassis.handling.patience import Later
from chassis.handling.waiting import Parked, WaitingRoom
from chassis.service import Service
from contracts.errors import TooSlow, Unavailable
from contracts.topology import Durable
from tests.chassis import probe
from tests.chassis.conftest import NewDurable
from tests.chassis.consuming import Handler, consumer, leave_trace, settled, tell, traces
from tests.chassis.probe import Happened
from tests.support.polling import eventually
from tests.support.stack import Stack, running
from tests.support.streams import dead_letters


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks again soon, and lets nothing wait where it is."""
    monkeypatch.setattr(patience, "OUTAGE_DELAY_S", 0.05)
    monkeypatch.setattr(settling, "MOMENT_S", 0.0)


def body(task: str, number: int) -> bytes:
    return Happened(task_id=task, number=number).model_dump_json().encode()


async def waiting(sql: "asyncpg.Pool[Any]", durable: Durable) -> list[asyncpg.Record]:
    """Who is in the waiting room because of this durable."""
    query = "SELECT * FROM waiting WHERE consumer = $1"
    return list(await sql.fetch(query, durable.name))


@pytest.mark.parametrize(
    "somebody", [Later(0.01, "not yet"), Later(0, "not yet", exactly=True), Unavailable("down")]
)
async def test_who_waits_for_others_waits_as_often_as_it_takes(
    probe_stack: Stack,
    js: JetStreamContext,
    sql: "asyncpg.Pool[Any]",
    durable: NewDurable,
    somebody: Exception,
) -> None:
    task, calls = new_id(), []

    async def handle(event: Happened, tx: Transaction) -> None:
        calls.append(event)
        await leave_trace(event, tx)
        if len(calls) <= 2 * wanted.attempts:
            raise somebody

    wanted = await durable(task)
    async with consumer(probe_stack, wanted, handle):
        id_ = await tell(js, task)
        await eventually(lambda: traces(sql, task))
        await settled(js, wanted)
    assert len(calls) == 2 * wanted.attempts + 1
    assert await traces(sql, task) == 1
    assert await waiting(sql, wanted) == []
    assert await dead_letters(js, wanted.name, id_) == []


async def test_only_the_failures_among_the_tries_count(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task, calls = new_id(), []

    async def handle(event: Happened) -> None:
        calls.append(event)
        if len(calls) % 3:
            raise TooSlow("busy")
        raise RuntimeError("a defect")

    wanted = await durable(task)
    async with consumer(probe_stack, wanted, handle):
        id_ = await tell(js, task)
        [letter] = await eventually(lambda: dead_letters(js, wanted.name, id_))
        await eventually(lambda: gone(sql, wanted))
    assert len(calls) == 3 * wanted.attempts
    assert letter.headers["bazaar-attempts"] == str(3 * wanted.attempts)
    assert letter.headers["bazaar-error"] == "RuntimeError: a defect"


async def test_a_sign_of_life_is_none_once_the_message_was_put_off(
    probe_stack: Stack,
    js: JetStreamContext,
    sql: "asyncpg.Pool[Any]",
    durable: NewDurable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "OUTAGE_DELAY_S", 3600.0)
    task = new_id()

    async def handle(event: Happened) -> None:
        raise Later(3600, f"{event.task_id} is not there yet")

    wanted = await durable(task)
    async with consumer(probe_stack, wanted, handle) as service:
        await tell(js, task)
        [row] = await eventually(lambda: waiting(sql, wanted))
        taken: Any = SimpleNamespace(**dict(row) | {"tries": 2, "failures": 1, "waited_s": 0})
        parked = Parked(service.waiting, await service.bus.client(), taken)
        await parked.in_progress()
        [alive] = await waiting(sql, wanted)
        await parked.nak(600)
        await parked.in_progress()
        [put_off] = await waiting(sql, wanted)
    assert alive["failures"] == 1
    assert put_off["failures"] == 0
    assert put_off["due_at"] - alive["due_at"] > timedelta(seconds=500)


async def test_a_stop_in_the_middle_is_no_failure_and_delays_nothing(
    probe_stack: Stack,
    js: JetStreamContext,
    sql: "asyncpg.Pool[Any]",
    durable: NewDurable,
) -> None:
    """Also of a message that the bus may not deliver again, and of one out of the waiting room."""
    task, calls, for_ever = new_id(), [], asyncio.Event()

    async def handle(event: Happened, tx: Transaction) -> None:
        calls.append(event)
        await leave_trace(event, tx)
        if len(calls) <= stops:
            await for_ever.wait()

    async def begun() -> bool:
        return len(calls) > given_back

    wanted, stops = await durable(task, attempts=1, ack_wait_s=3600), 2
    for given_back in range(stops):
        service = probe.build(probe_stack, drain_s=0.5)
        service.consume(wanted, handle)
        async with running(service):
            if not given_back:
                id_ = await tell(js, task)
            await eventually(begun)
        assert [row["failures"] for row in await waiting(sql, wanted)] == [0]
    async with consumer(probe_stack, wanted, handle):
        await eventually(lambda: traces(sql, task))
        await eventually(lambda: gone(sql, wanted))
        await settled(js, wanted)
    assert len(calls) == stops + 1
    assert await traces(sql, task) == 1
    assert await dead_letters(js, wanted.name, id_) == []


async def test_who_waits_holds_no_place(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task, ready = new_id(), asyncio.Event()

    async def handle(event: Happened, tx: Transaction) -> None:
        if event.number and not ready.is_set():
            raise Unavailable("The payment service is down.")
        await leave_trace(event, tx)

    wanted = await durable(task, concurrency=2)
    async with consumer(probe_stack, wanted, handle):
        for number in (1, 2, 3, 4, 5, 0):
            await tell(js, task, body(task, number))
        await eventually(lambda: traces(sql, task))
        await settled(js, wanted)  # The bus has nothing left of it.
        assert len(await waiting(sql, wanted)) == 5
        ready.set()

        async def all_done() -> bool:
            return await traces(sql, task) == 6

        await eventually(all_done)
        await eventually(lambda: gone(sql, wanted))


async def test_patience_has_an_end_and_who_waits_for_it_is_told(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task, told = new_id(), []

    async def handle(event: Happened) -> None:
        raise Unavailable(f"{event.task_id} is away.")

    async def tell_it(buried: Buried) -> None:
        told.append(buried)
        raise RuntimeError("what fails here does not bring the letter back")

    wanted = await durable(task, patience_s=0)
    service = consuming(probe_stack, wanted, handle)
    service.when_buried(wanted, tell_it)
    async with running(service):
        id_ = await tell(js, task)
        [letter] = await eventually(lambda: dead_letters(js, wanted.name, id_))
        await eventually(lambda: gone(sql, wanted))
    [buried] = told
    assert (buried.here.id, buried.here.account, buried.body) == (id_, "ann", body(task, 0))
    assert buried.subject == f"bazaar.evt.probe.happened.{task}"
    assert buried.why == letter.headers["bazaar-error"] == f"Unavailable: {task} is away."


async def test_who_waits_is_taken_on_by_another_replica(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task = new_id()

    async def wait(event: Happened, tx: Transaction) -> None:
        await leave_trace(event, tx)
        raise Later(0.01, "not yet")

    wanted = await durable(task)
    async with consumer(probe_stack, wanted, wait):
        await tell(js, task, headers={"bazaar-note": "kept"})
        await eventually(lambda: waiting(sql, wanted))
    [row] = await waiting(sql, wanted)
    assert '"bazaar-note": "kept"' in row["headers"]
    async with consumer(probe_stack, wanted, leave_trace):
        await eventually(lambda: gone(sql, wanted))
    assert await traces(sql, task) == 1


async def test_who_keeps_killing_its_process_in_the_waiting_room_is_put_aside_unread(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task, calls = new_id(), []

    async def wait(event: Happened) -> None:
        calls.append(event)
        raise Later(60, "not yet")

    wanted = await durable(task)
    async with consumer(probe_stack, wanted, wait):
        id_ = await tell(js, task)
        await eventually(lambda: waiting(sql, wanted))
    calls.clear()
    # As if it had been taken so often, and its process had died each time.
    died = "UPDATE waiting SET due_at = now(), failures = $2 WHERE consumer = $1"
    await sql.execute(died, wanted.name, wanted.attempts)
    async with consumer(probe_stack, wanted, wait):
        [letter] = await eventually(lambda: dead_letters(js, wanted.name, id_))
        await eventually(lambda: gone(sql, wanted))
    assert calls == []
    assert letter.headers["bazaar-error"].startswith("Unfinished")


async def test_what_is_put_off_twice_waits_once(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    """As when the bus has missed that it was acknowledged."""
    task, ready, id_ = new_id(), asyncio.Event(), new_id()

    async def handle(event: Happened, tx: Transaction) -> None:
        if not ready.is_set():
            raise Later(0.01, "not yet")
        await leave_trace(event, tx)

    wanted = await durable(task)
    async with consumer(probe_stack, wanted, handle):
        for _ in range(2):
            await tell(js, task, headers={"ce-id": id_, "Nats-Msg-Id": new_id()})
        await eventually(lambda: waiting(sql, wanted))
        await settled(js, wanted)
        assert len(await waiting(sql, wanted)) == 1
        ready.set()
        await eventually(lambda: gone(sql, wanted))
    assert await traces(sql, task) == 1


def consuming(stack: Stack, durable: Durable, handler: Handler) -> Service:
    service = probe.build(stack)
    service.consume(durable, handler)
    return service


async def gone(sql: "asyncpg.Pool[Any]", durable: Durable) -> bool:
    return not await waiting(sql, durable)


class Looking(WaitingRoom):
    """Counts its looks, and asks no database."""

    looks = 0

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.looked = asyncio.Event()

    async def look(self) -> None:
        self.looks += 1
        self.looked.set()


def test_two_that_are_due_at_once_are_looked_for_together_on_the_loop_of_services() -> None:
    """What is to be called at once has no time there: it was asked for one."""

    async def due_twice() -> int:
        db = Database(
            "postgresql://nobody@127.0.0.1:1/none", probe.metadata, pool=1, relay_workers=1
        )
        room = Looking(db)

        async def hand(_raw: Msg) -> None:
            """Nothing comes."""

        room.open(Client(), {"one": hand})
        room._look_in(0)
        room._look_in(0)
        await room.looked.wait()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
        return room.looks

    assert uvloop.run(due_twice()) == 1
