"""Messages that come again, or that are none of the chat service's business, change nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from nats.js import JetStreamContext

from chassis.bus.envelopes import new_id
from chat_svc.domain import step_id_of, task_id_of
from contracts.chat import Think
from contracts.envelope import DEDUPLICATION, ID, SOURCE, TURN, TYPE
from contracts.task_events import StepCompleted, StepFailed
from contracts.topology import CHAT_STEP_COMPLETED, CHAT_TASK_COMPLETED, DURABLES
from tests.chat.services import new_skill
from tests.support.polling import eventually
from tests.support.scripted_agent import says
from tests.support.stack import Stack
from tests.support.streams import Stored, dead_letters, jetstream, stored
from tests.support.talk import End, Talk
from tests.task.plans import wraps

HEARD = {one.filter.split(".", 2)[2].rpartition(".")[0] for one in DURABLES if "chat-" in one.name}
"""The names of the events that the chat service consumes, and of its order."""
FACTS = """
    SELECT (SELECT array_agg(row_to_json(m)::text ORDER BY seq) FROM chat.messages AS m
            WHERE turn_id = $1),
           (SELECT row_to_json(t)::text FROM chat.turns AS t WHERE id = $1),
           (SELECT row_to_json(t)::text FROM task.tasks AS t WHERE turn_id = $1),
           (SELECT array_agg(row_to_json(s)::text ORDER BY seq) FROM task.steps AS s
            WHERE turn_id = $1),
           (SELECT array_agg(row_to_json(p)::text ORDER BY id)
            FROM payment.bazaarbucks_payments AS p WHERE task_id = $2)
"""


@dataclass(frozen=True)
class Dealing:
    """A turn with a chain and a replaced agent, that is over."""

    account: str
    end: End
    calls: list[int]

    @property
    def turn_id(self) -> str:
        return self.end.turn_id


@pytest.fixture(scope="module")
async def js(stack: Stack) -> AsyncIterator[JetStreamContext]:
    async with jetstream(stack.nats_url) as context:
        yield context


async def facts(talk: Talk, turn_id: str) -> tuple[Any, ...]:
    (row,) = await talk.system.rows(FACTS, turn_id, task_id_of(turn_id))
    return tuple(row)


async def history(js: JetStreamContext, turn_id: str) -> list[Stored]:
    """Everything that was said about a turn and its task."""
    return [
        *await stored(js, "EVENTS", f"bazaar.evt.*.*.{turn_id}"),
        *await stored(js, "EVENTS", f"bazaar.evt.*.*.{task_id_of(turn_id)}"),
    ]


async def say_again(js: JetStreamContext, said: Stored, *, same_id: bool) -> None:
    """Publish a message of the past; the stream must not take it for one that it has."""
    headers = said.headers | {DEDUPLICATION: new_id()}
    if not same_id:
        headers[ID] = headers[DEDUPLICATION]
    await js.publish(said.subject, said.text.encode(), stream="EVENTS", headers=headers)


async def deal(talk: Talk, skill: str) -> Dealing:
    account, after = await talk.system.account(), new_skill()
    async with (
        talk.agent(skill, says("no", 500), price="0.10") as bad,
        talk.agent(skill, wraps("good", 0.2), price="0.20") as good,
        talk.agent(after, wraps("after", 0.1)) as last,
    ):
        end = await talk.reply(
            account, f"Write a {skill} about the sea, then write a {after} about it"
        )
        await talk.quiet()
        return Dealing(account, end, [len(one.does.calls) for one in (bad, good, last)])


@pytest.mark.parametrize("same_id", [True, False])
async def test_a_turn_that_is_over_stays_as_it_is(
    talk: Talk, js: JetStreamContext, skill: str, same_id: bool
):
    dealing = await deal(talk, skill)
    assert dealing.calls == [1, 1, 1]
    before, said = await facts(talk, dealing.turn_id), await history(js, dealing.turn_id)
    heard = [one for one in said if one.type in HEARD]
    assert {one.type for one in heard} == {"step.completed", "step.failed", "task.completed"}
    for one in heard * 2:
        await say_again(js, one, same_id=same_id)
    for _ in range(2):
        await talk.system.order(dealing.account, Think(turn_id=dealing.turn_id))
    await talk.quiet()
    await talk.system.settled()
    assert await facts(talk, dealing.turn_id) == before
    after = await history(js, dealing.turn_id)
    assert [one for one in after if one.type not in HEARD] == [
        one for one in said if one.type not in HEARD
    ]
    assert len(talk.ends[dealing.turn_id]) == 1


async def test_a_turn_that_hears_everything_several_times_comes_to_the_same(
    talk: Talk, js: JetStreamContext, skill: str
):
    """Each event is said again at once, under its own id and under another."""
    again = "said-again"

    async def echo(said: Any) -> None:
        headers = dict(said.headers or {})
        if TURN not in headers or again in headers:
            return
        once_more = Stored(said.subject, headers | {again: "yes"}, said.data.decode())
        if once_more.type in HEARD:
            await say_again(js, once_more, same_id=True)
            await say_again(js, once_more, same_id=False)

    client = await talk.system.bus.client()
    echoing = await client.subscribe("bazaar.evt.>", cb=echo)
    dealing = await deal(talk, skill)
    await echoing.unsubscribe()
    await talk.quiet()
    assert dealing.calls == [1, 1, 1]
    assert dealing.end.text.startswith("after(good(")
    assert (dealing.end.status, dealing.end.total) == ("completed", Decimal("0.3"))
    assert [one.role for one in await talk.messages(dealing.account)] == ["user", "assistant"]
    said = [one.type for one in await history(js, dealing.turn_id)]
    assert [said.count(type_) for type_ in ("plan.proposed", "turn.completed")] == [1, 1]


async def test_what_a_replaced_agent_says_late_is_not_heard(talk: Talk, skill: str):
    dealing = await deal(talk, skill)
    before = await facts(talk, dealing.turn_id)
    old = {
        "task_id": task_id_of(dealing.turn_id),
        "turn_id": dealing.turn_id,
        "step_id": step_id_of(dealing.turn_id, "s0", 0),
        "agent_id": "late",
    }
    again = StepFailed.model_validate(old | {"reason": "agent_error", "error": "Late."})
    done = {"result": "Late.", "cost": 0, "external_cost": 0, "billed": 0, "execution_time": 1}
    late = StepCompleted.model_validate(
        old | done | {"subtask_type": "x", "requires_external_tool": False}
    )
    await talk.publish(dealing.account, again)
    await talk.publish(dealing.account, late)
    await talk.quiet()
    assert await facts(talk, dealing.turn_id) == before


async def test_calls_without_a_turn_are_acknowledged_unread(
    talk: Talk, js: JetStreamContext, skill: str
):
    account = await talk.system.account()
    async with talk.agent(skill) as one:
        reply = await talk.system.invoke(account, one.id)
    await talk.system.event(reply.task_id, "task.completed")

    async def kept() -> list[dict[str, str]]:
        """It is stored a moment after it was heard."""
        said = await stored(js, "EVENTS", f"bazaar.evt.*.*.{reply.task_id}")
        found = [one.headers for one in said if one.type in HEARD]
        return found if len(found) >= 2 else []

    heard = await eventually(kept)
    assert len(heard) == 2
    assert not any(TURN in headers for headers in heard)
    await talk.quiet()
    query = "SELECT 1 FROM chat.inbox WHERE message_id = ANY($1)"
    assert await talk.system.rows(query, [headers[ID] for headers in heard]) == []


async def test_only_what_names_a_turn_is_read(talk: Talk, js: JetStreamContext):
    """Read, a body like this would be a dead letter."""
    unread, read = new_id(), new_id()
    subject = CHAT_TASK_COMPLETED.filter.replace("*", new_id())
    heads = {TYPE: "task.completed.v1", SOURCE: "task"}
    await js.publish(subject, b"no JSON", stream="EVENTS", headers=heads | {ID: unread})
    await js.publish(subject, b"no JSON", stream="EVENTS", headers=heads | {ID: read, TURN: "turn"})
    await talk.quiet()
    assert await dead_letters(js, CHAT_TASK_COMPLETED.name, unread) == []
    assert len(await dead_letters(js, CHAT_TASK_COMPLETED.name, read)) == 1


async def test_a_turn_that_nobody_knows_is_put_aside_and_holds_nobody_up(
    talk: Talk, js: JetStreamContext, skill: str
):
    """More of them than the consumer may have in work, and then one of ours."""
    unknown = [f"turn-{new_id()}" for _ in range(CHAT_STEP_COMPLETED.concurrency + 1)]
    headers = [{ID: new_id(), DEDUPLICATION: new_id()} for _ in unknown]
    for turn_id, own in zip(unknown, headers, strict=True):
        event = StepCompleted(
            task_id=task_id_of(turn_id),
            turn_id=turn_id,
            step_id=step_id_of(turn_id, "s0", 0),
            agent_id="somebody",
            subtask_type="x",
            result="x",
            cost=Decimal(0),
            external_cost=Decimal(0),
            billed=Decimal(0),
            requires_external_tool=False,
            execution_time=1,
        )
        await talk.publish("demo", event, **own)
    account = await talk.system.account()
    async with talk.agent(skill):
        end = await talk.reply(account, f"Write a {skill} about the sea")
    assert end.status == "completed"
    await talk.quiet()

    async def buried() -> bool:
        letters = [await dead_letters(js, CHAT_STEP_COMPLETED.name, own[ID]) for own in headers]
        return all(len(found) == 1 for found in letters)

    await eventually(buried)
