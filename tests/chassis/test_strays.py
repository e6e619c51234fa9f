"""Messages that do not belong where they are, or have grown: nobody acts on them."""

import asyncio
from typing import Any

import asyncpg
import pytest
from nats.js import JetStreamContext

from chassis.bus.envelopes import new_id, origin
from chassis.db.transaction import Transaction
from contracts import envelope
from contracts.envelope import ERROR_CODE, ERROR_TEXT
from tests.chassis.calling import answering
from tests.chassis.conftest import NewDurable
from tests.chassis.consuming import consumer, leave_trace, settled, tell, traces
from tests.chassis.probe import ASK, Answer, Happened, Question
from tests.support.stack import Stack
from tests.support.streams import dead_letters, stored

HERE = origin("probe", "probe.happened.v1", "ann").headers()


@pytest.mark.parametrize(
    ("stray", "why"),
    [
        ({envelope.TYPE: "step.completed.v1"}, "does not belong on"),
        ({envelope.TYPE: None}, "does not belong on"),
        ({envelope.SUBJECT: "another-task"}, "about another-task"),
        ({envelope.CORRELATION: "x" * 200}, "envelope is not valid: correlation_id"),
        ({envelope.TRACEPARENT: "0" * 50_000}, "envelope is not valid: traceparent"),
        ({envelope.ACCOUNT: "not an account"}, "envelope is not valid: account"),
    ],
    ids=["type", "no type", "entity", "correlation", "trace", "account"],
)
async def test_a_stray_message_is_put_aside_unread(
    probe_stack: Stack,
    js: JetStreamContext,
    sql: "asyncpg.Pool[Any]",
    durable: NewDurable,
    stray: dict[str, str | None],
    why: str,
) -> None:
    task = new_id()
    wanted = await durable(task)
    async with consumer(probe_stack, wanted, leave_trace):
        id_ = await tell(js, task, headers=stray)
        await tell(js, task)
        await settled(js, wanted)
    assert await traces(sql, task) == 1, "the next one is handled"
    [letter] = await dead_letters(js, wanted.name, id_)
    assert why in letter.headers["bazaar-error"]
    assert sum(map(len, letter.headers.values())) < 10_000


async def test_what_means_something_to_a_stream_keeps_no_dead_letter_out(
    probe_stack: Stack, js: JetStreamContext, durable: NewDurable
) -> None:
    task = new_id()
    wanted = await durable(task)
    stray: dict[str, str | None] = {
        envelope.TYPE: "step.completed.v1",
        "Nats-Expected-Last-Subject-Sequence": "0",
    }
    async with consumer(probe_stack, wanted, leave_trace):
        id_ = await tell(js, task, headers=stray)
        await settled(js, wanted)
    [letter] = await dead_letters(js, wanted.name, id_)
    assert [name for name in letter.headers if name.startswith("Nats-Expected-Last")] == []


async def test_what_grew_spoils_nothing_that_follows(
    probe_stack: Stack, js: JetStreamContext
) -> None:
    """A request's envelope is copied into all that comes of it; so it is refused first."""
    task = new_id()

    async def answer(request: Question, tx: Transaction) -> Answer:
        tx.publish(Happened(task_id=request.text))
        return Answer(text="done")

    async with answering(probe_stack, answer) as service:
        client = await service.broker.connect()
        body = Question(text=task).model_dump_json().encode()
        heads = origin("gateway", "probe.ask", "ann").headers()
        for grown in (envelope.CORRELATION, envelope.ID, envelope.TURN):
            said = await client.request(
                ASK.subject, body, timeout=10, headers=heads | {grown: "x" * 50_000}
            )
            assert said.headers is not None
            assert said.headers[ERROR_CODE] == "422"
            assert len(said.headers[ERROR_TEXT]) < 1000
    assert await stored(js, "EVENTS", f"bazaar.evt.*.*.{task}") == []


async def test_a_request_of_another_type_is_refused(probe_stack: Stack) -> None:
    asked: list[str] = []

    async def answer(request: Question) -> Answer:
        asked.append(request.text)
        return Answer(text="done")

    async with answering(probe_stack, answer) as service:
        client = await service.broker.connect()
        said = await client.request(ASK.subject, b"{}", timeout=10, headers=HERE)
        assert said.headers is not None
        assert said.headers[ERROR_CODE] == "422"
        # As a stream would deliver it: nobody waits there, and an answer would mean something else.
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async def hear(message: Any) -> None:
            await heard.put(message.data)

        acks = "$JS.ACK.NONE.none.1.1.1.1.1"
        await client.subscribe(acks, cb=hear)
        await client.publish(ASK.subject, b'{"text": "delivered"}', acks)
        said = await client.request(ASK.subject, b'{"text": "by hand"}', timeout=10)
        assert said.data == b'{"text":"done"}'
        assert heard.empty()
    assert asked == ["by hand"]
