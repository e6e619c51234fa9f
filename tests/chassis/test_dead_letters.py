"""A message that fails is tried again, later and later, and put aside when nothing helps."""

import itertools
import time
from functools import partial
from typing import Any

import asyncpg
from nats.js import JetStreamContext
from prometheus_client import REGISTRY

from chassis.bus.envelopes import new_id
from chassis.db.transaction import Transaction
from contracts.errors import Conflict, Invalid, NotFound, Unavailable
from tests.chassis.conftest import NewDurable
from tests.chassis.consuming import consumer, leave_trace, settled, tell, traces
from tests.chassis.probe import Happened
from tests.support.polling import eventually
from tests.support.stack import Stack
from tests.support.streams import dead_letters


async def test_a_handlers_error_is_tried_again_later_and_later_then_put_aside(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task, at = new_id(), []

    async def fail(event: Happened, tx: Transaction) -> None:
        at.append(time.monotonic())
        await leave_trace(event, tx)
        raise RuntimeError("still\nbroken ¿")

    wanted = await durable(task, attempts=4)
    async with consumer(probe_stack, wanted, fail):
        id_ = await tell(js, task)
        [letter] = await eventually(lambda: dead_letters(js, wanted.name, id_))
        await settled(js, wanted)
    assert len(at) == 4
    waits = [after - before for before, after in itertools.pairwise(at)]
    assert all(wait > 0.9 * least for wait, least in zip(waits, (0.2, 0.4, 0.8), strict=True)), (
        waits
    )
    assert await traces(sql, task) == 0
    assert letter.headers["bazaar-error"] == "RuntimeError: still broken ¿"
    assert letter.headers["bazaar-attempts"] == "4"
    assert letter.headers["bazaar-subject"] == f"bazaar.evt.probe.happened.{task}"
    assert letter.headers["ce-account"] == "ann"
    assert letter.body["taskId"] == task


async def test_redeliveries_and_dead_letters_are_counted(
    probe_stack: Stack, js: JetStreamContext, durable: NewDurable
) -> None:
    task = new_id()
    wanted = await durable(task, attempts=3)

    async def fail(event: Happened) -> None:
        raise RuntimeError(f"{event.task_id} is not wanted.")

    def counted(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"consumer": wanted.name, **labels})

    async def buried() -> bool:
        return counted("bazaar_messages_total", outcome="dead") == 1

    async with consumer(probe_stack, wanted, fail):
        id_ = await tell(js, task)
        await eventually(lambda: dead_letters(js, wanted.name, id_))
        await eventually(buried)

    assert counted("bazaar_redeliveries_total") == 2
    assert counted("bazaar_messages_total", outcome="again") == 2
    assert counted("bazaar_messages_total", outcome="dead") == 1
    assert counted("bazaar_dead_letters_total") == 1
    assert counted("bazaar_message_seconds_count") == 3


async def test_an_error_that_passes_is_no_dead_letter(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", durable: NewDurable
) -> None:
    task, calls = new_id(), []

    async def recover(event: Happened, tx: Transaction) -> None:
        calls.append(1)
        await leave_trace(event, tx)
        if len(calls) < 3:
            raise Unavailable("The registry service is down.")

    wanted = await durable(task)
    async with consumer(probe_stack, wanted, recover):
        id_ = await tell(js, task)
        await eventually(lambda: traces(sql, task))  # Perhaps out of the waiting room.
        await settled(js, wanted)
    assert len(calls) == 3
    assert await traces(sql, task) == 1
    assert await dead_letters(js, wanted.name, id_) == []


async def test_what_another_attempt_cannot_mend_is_put_aside_at_once(
    probe_stack: Stack, js: JetStreamContext, durable: NewDurable
) -> None:
    task, calls, refusals = new_id(), [], [Invalid("no"), NotFound("no"), Conflict("no")]

    async def refuse(event: Happened) -> None:
        calls.append(event)
        raise refusals[len(calls) - 1]

    wanted = await durable(task)
    async with consumer(probe_stack, wanted, refuse):
        for error in refusals:
            id_ = await tell(js, task)
            [letter] = await eventually(partial(dead_letters, js, wanted.name, id_))
            assert letter.headers["bazaar-error"] == f"{type(error).__name__}: no"
        await settled(js, wanted)
    assert len(calls) == len(refusals)


NO_EVENTS: list[tuple[bytes, dict[str, str | None], str]] = [
    (b"{not json", {}, "not JSON"),
    (b"\xff\xfe", {}, "not JSON"),
    (b"", {}, "not JSON"),
    (b"[" * 100_000, {}, "not JSON"),
    (b"{not json", {"content-type": None}, "not JSON"),
    (b"hello", {"content-type": "text/plain"}, "not JSON"),
    (b"[]", {}, "dictionary"),
    (b"null", {}, "dictionary"),
    (b"{}", {}, "taskId: Field required"),
    (b'{"taskId": 7}', {}, "taskId: Input should be a valid string"),
    (b'{"taskId": "t", "number": "many"}', {}, "number: Input should be a valid integer"),
]


async def test_a_poison_message_is_put_aside_at_once(
    probe_stack: Stack, js: JetStreamContext, durable: NewDurable
) -> None:
    task, calls = new_id(), []

    async def handle(event: Happened, tx: Transaction) -> None:
        calls.append((event, tx))

    wanted = await durable(task)
    async with consumer(probe_stack, wanted, handle):
        for body, headers, why in NO_EVENTS:
            id_ = await tell(js, task, body, headers)
            [letter] = await eventually(partial(dead_letters, js, wanted.name, id_))
            assert letter.text.encode() == body or body == b"\xff\xfe"
            assert letter.headers["bazaar-attempts"] == "1"
            assert why in letter.headers["bazaar-error"]
        await settled(js, wanted)
    assert calls == []


async def test_a_message_that_kept_killing_its_process_is_put_aside_unread(
    probe_stack: Stack, js: JetStreamContext, durable: NewDurable
) -> None:
    task, calls = new_id(), []

    async def handle(event: Happened) -> None:
        calls.append(event)

    wanted = await durable(task, attempts=2, ack_wait_s=1)
    id_ = await tell(js, task)
    pull = await js.pull_subscribe_bind(consumer=wanted.name, stream=wanted.stream)
    for _ in range(wanted.attempts):  # Taken, and never answered for.
        await pull.fetch(1, timeout=10)
    await pull.unsubscribe()
    async with consumer(probe_stack, wanted, handle):
        [letter] = await eventually(lambda: dead_letters(js, wanted.name, id_))
    assert calls == []
    assert letter.headers["bazaar-attempts"] == "3"
