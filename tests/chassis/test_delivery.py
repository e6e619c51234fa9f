"""What becomes of a consumed message: one effect, another attempt, or a dead letter."""

import asyncio
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError
from nats.js import JetStreamContext

from chassis.bus.envelopes import new_id
from chassis.db import away as away_rules
from chassis.db.transaction import Transaction
from chassis.handling import patience
from chassis.handling.patience import retry_delay_s
from contracts import envelope
from contracts.envelope import Envelope
from tests.chassis.conftest import NewDurable
from tests.chassis.consuming import consumer, leave_trace, settled, tell, traces
from tests.chassis.probe import Happened
from tests.support.polling import eventually
from tests.support.stack import Stack, connected
from tests.support.streams import dead_letters


async def test_an_effect_and_its_events_come_with_the_message(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task, seen = new_id(), []

    async def handle(event: Happened, tx: Transaction, here: Envelope) -> None:
        seen.append(here)
        await leave_trace(event, tx)

    wanted = await durable(task)
    async with consumer(probe_stack, wanted, handle):
        id_ = await tell(js, task)
        await settled(js, wanted)
    assert [(here.id, here.account, here.source) for here in seen] == [(id_, "ann", "test")]
    assert await traces(sql, task) == 1


async def test_a_message_without_an_id_is_handled_once(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task, seen = new_id(), []

    async def handle(event: Happened, tx: Transaction, here: Envelope) -> None:
        seen.append(here)
        await leave_trace(event, tx)
        if len(seen) == 1:
            raise RuntimeError("once more")

    wanted = await durable(task)
    async with consumer(probe_stack, wanted, handle):
        body = Happened(task_id=task).model_dump_json().encode()
        who = {envelope.TYPE: "probe.happened.v1", envelope.SOURCE: "probe"}
        await js.publish(f"bazaar.evt.probe.happened.{task}", body, stream="EVENTS", headers=who)
        await eventually(lambda: traces(sql, task))
        await settled(js, wanted)
    assert await traces(sql, task) == 1
    assert {here.account for here in seen} == {"demo"}
    assert len({here.id for here in seen}) == 1  # Its place in the stream.


async def test_what_lacks_the_consumers_header_is_acknowledged_unread(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task = new_id()
    wanted = await durable(task, only_with=envelope.TURN)
    async with consumer(probe_stack, wanted, leave_trace):
        await tell(js, task, b"{not even json")
        await tell(js, task, headers={envelope.TURN: "t1"})
        await settled(js, wanted)
    assert await traces(sql, task) == 1


async def test_fields_that_a_later_release_adds_are_ignored(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task = new_id()
    wanted = await durable(task)
    async with consumer(probe_stack, wanted, leave_trace):
        await tell(js, task, b'{"taskId": "%s", "colour": {"new": true}}' % task.encode())
        await settled(js, wanted)
    assert await traces(sql, task) == 1


async def test_a_repeat_is_found_in_the_inbox(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task, id_ = new_id(), new_id()
    wanted = await durable(task)
    async with consumer(probe_stack, wanted, leave_trace):
        for _ in range(5):  # Past the stream's own window of duplicates.
            await tell(js, task, headers={envelope.ID: id_, envelope.DEDUPLICATION: new_id()})
        await settled(js, wanted)
    assert await traces(sql, task) == 1
    assert await dead_letters(js, wanted.name, id_) == []


async def test_a_long_handler_is_not_run_twice(
    probe_stack: Stack, js: JetStreamContext, durable: NewDurable
) -> None:
    task, calls = new_id(), []

    async def work(event: Happened) -> None:
        calls.append(event)
        await asyncio.sleep(2.2 * wanted.ack_wait_s)

    wanted = await durable(task, ack_wait_s=2)
    async with (
        consumer(probe_stack, wanted, work),
        consumer(probe_stack, wanted, work),
    ):
        await tell(js, task)
        await settled(js, wanted)
    assert len(calls) == 1


async def test_a_lost_acknowledgement_does_not_double_the_effect(
    probe_stack: Stack,
    js: JetStreamContext,
    sql: "asyncpg.Pool[Any]",
    durable: NewDurable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task, calls = new_id(), []
    sound = Msg.ack

    async def ack(msg: Msg) -> None:
        if msg.subject.endswith(task):
            calls.append(msg.metadata.num_delivered)
            if len(calls) == 1:
                raise ConnectionClosedError
        await sound(msg)

    monkeypatch.setattr(Msg, "ack", ack)
    wanted = await durable(task, ack_wait_s=1)
    async with consumer(probe_stack, wanted, leave_trace):
        await tell(js, task)
        await settled(js, wanted)
    assert calls == [1, 2]
    assert await traces(sql, task) == 1


async def test_an_outage_of_the_database_costs_a_message_no_attempts(
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
    # The tries take longer than the bus waits; a machine that stands still for a moment does not.
    wanted = await durable(task, attempts=3, ack_wait_s=2)
    async with consumer(probe_stack, wanted, leave_trace), connected(probe_stack.admin_url) as root:
        await root.execute("ALTER ROLE bazaar_probe CONNECTION LIMIT 0")
        try:
            await root.fetch(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                " WHERE usename = 'bazaar_probe'"
            )
            id_ = await tell(js, task)

            async def tried() -> bool:
                return sum(away) > wanted.attempts

            await eventually(tried)
        finally:
            await root.execute("ALTER ROLE bazaar_probe CONNECTION LIMIT -1")
        await settled(js, wanted)
    assert all(away)
    assert await traces(sql, task) == 1
    assert await dead_letters(js, wanted.name, id_) == []


async def test_one_message_that_fails_does_not_hold_up_the_others(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task, failed, free = new_id(), [], asyncio.Event()

    async def handle(event: Happened, tx: Transaction) -> None:
        if event.number == 0:
            failed.append(1)
            if not free.is_set():
                raise RuntimeError("not yet")
        await leave_trace(event, tx)

    wanted = await durable(task, attempts=50)
    async with consumer(probe_stack, wanted, handle):
        for number in range(20):
            await tell(js, task, Happened(task_id=task, number=number).model_dump_json().encode())

        async def others_are_done() -> bool:
            return await traces(sql, task) == 19

        await eventually(others_are_done)
        free.set()

        async def all_are_done() -> bool:
            return await traces(sql, task) == 20

        await eventually(all_are_done)
    assert failed


@given(st.integers(min_value=0, max_value=10_000))
def test_the_delay_grows_to_a_bound(deliveries: int) -> None:
    assert 0.2 <= retry_delay_s(deliveries) <= retry_delay_s(deliveries + 1) <= 30


def test_the_first_delays() -> None:
    assert [retry_delay_s(n) for n in range(1, 5)] == [0.2, 0.4, 0.8, 1.6]
