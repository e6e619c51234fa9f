"""Turns whose time is over: what was done is shown and paid, what was not is said, once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

from chat_svc.domain import step_id_of, task_id_of
from chat_svc.handlers.reconcile import ask_after_turns
from contracts.envelope import ACCOUNT, CORRELATION
from contracts.orders import FinishTask
from contracts.task_events import StepBill, TaskFailed
from contracts.topology import CHAT_TASK_FAILED
from contracts.turns import ORDER_ENDS, OrderEnds
from tests.chat.services import new_skill
from tests.support.polling import eventually
from tests.support.scripted_agent import Behaviour, answers, waits_for
from tests.support.services import chat_service, chat_settings
from tests.support.stack import Stack
from tests.support.talk import NOTHING, Listed, Talk

TOO_LONG = "This took too long, so I stopped it."


@dataclass
class Slow:
    """A turn whose last agent has not answered yet, and a gate that makes it answer."""

    account: str
    turn_id: str
    skill: str
    agent: Listed
    gate: asyncio.Event


@contextlib.asynccontextmanager
async def slow_turn(talk: Talk, wish: str, skill: str, then: Behaviour) -> AsyncIterator[Slow]:
    account, gate = await talk.system.account(), asyncio.Event()
    async with talk.agent(skill, waits_for(gate, then)) as agent:
        turn_id = await talk.say(account, wish)
        await agent.does.called()
        yield Slow(account, turn_id, skill, agent, gate)


async def test_a_turn_that_takes_too_long_is_stopped(talk: Talk, skill: str):
    wish = f"Write a {skill} about the sea"
    async with slow_turn(talk, wish, skill, answers("Too late.")) as slow:
        await talk.run_out(slow.turn_id)
        end = await talk.end(slow.turn_id)
        assert TOO_LONG in end.text
        assert f"I did not finish {skill}" in end.text
        assert "needed what came before" not in end.text
        assert (end.status, end.total, end.message.cost_breakdown) == ("failed", NOTHING, None)
        assert [step.reason for step in end.steps] == ["cancelled"]
        said = talk.events(slow.turn_id)
        assert {event.headers[ACCOUNT] for event in said} == {slow.account}
        assert len({event.headers[CORRELATION] for event in said}) == 1
        slow.gate.set()
        await talk.quiet()
    await nothing_more(talk, slow)


async def test_what_was_done_before_the_deadline_is_shown_and_paid(talk: Talk, skill: str):
    last = new_skill()
    wish = f"Write a {skill} about the sea, then write a {last} about it"
    async with (
        talk.agent(skill, answers("Waves.", 0.1)) as poet,
        slow_turn(talk, wish, last, answers("Too late.")) as slow,
    ):
        await talk.run_out(slow.turn_id)
        end = await talk.end(slow.turn_id)
        assert f"{poet.name} ({skill}):\nWaves." in end.text
        assert f"I did not finish {last}" in end.text
        assert TOO_LONG in end.text
        assert end.bill == {poet.name: Decimal("0.1")}
        assert (end.status, end.total) == ("failed", Decimal("0.1"))
        slow.gate.set()
        await talk.quiet()
    await nothing_more(talk, slow)


async def test_an_answer_that_comes_while_the_turn_is_being_stopped_is_shown(
    talk: Talk, skill: str
):
    """The agent's answer crosses the order to end the task: it is paid, so it is shown."""
    wish = f"Write a {skill} about the sea"
    async with slow_turn(talk, wish, skill, answers("Just in time.", 0.1)) as slow:
        query = "UPDATE chat.turns SET status = 'settling' WHERE id = $1"
        await talk.system.rows(query, slow.turn_id)
        slow.gate.set()
        await talk.system.event(task_id_of(slow.turn_id), "step.completed")
        order = FinishTask(task_id=task_id_of(slow.turn_id), outcome="failed", note=TOO_LONG)
        await talk.system.order(slow.account, order)
        end = await talk.end(slow.turn_id)
    assert "Just in time." in end.text
    assert end.bill == {slow.agent.name: Decimal("0.1")}
    assert end.total == Decimal("0.1")


async def test_the_bill_waits_for_the_results_that_are_on_it(talk: Talk, skill: str):
    """The end of the task may be heard before the end of its last step."""
    wish = f"Write a {skill} about the sea"
    async with slow_turn(talk, wish, skill, answers("Overtaken.", 0.1)) as slow:
        # It awaits its bill: else the moves that follow the last step race the end of the task.
        query = "UPDATE chat.turns SET status = 'settling' WHERE id = $1"
        await talk.system.rows(query, slow.turn_id)
        task_id = task_id_of(slow.turn_id)
        line = StepBill(
            step_id=step_id_of(slow.turn_id, "s0", 0),
            agent_id=slow.agent.id,
            agent_name=slow.agent.name,
            status="completed",
            cost=Decimal("0.1"),
            external_cost=NOTHING,
        )
        ended = TaskFailed(task_id=task_id, turn_id=slow.turn_id, total_cost=line.cost, bill=[line])
        await talk.publish(slow.account, ended)
        await eventually(lambda: talk.waits(CHAT_TASK_FAILED))
        slow.gate.set()
        end = await talk.end(slow.turn_id)
    assert end.text == f"{slow.agent.name} ({skill}):\nOvertaken."
    assert end.bill == {slow.agent.name: Decimal("0.1")}


async def test_a_turn_that_cannot_be_read_is_in_no_others_way_when_it_is_asked_after(
    stack: Stack, talk: Talk, skill: str
):
    service = chat_service(stack, reconcile_s=3600)
    other = new_skill()
    async with (
        slow_turn(talk, f"Write a {skill} about the sea", skill, answers("Read.", 0.1)) as broken,
        slow_turn(talk, f"Write a {other} about the sea", other, answers("Read.", 0.1)) as whole,
    ):
        ids = [broken.turn_id, whole.turn_id]
        query = "SELECT id, work FROM chat.calls WHERE turn_id = $1"
        ((call_id, work),) = await talk.system.rows(query, broken.turn_id)
        change = "UPDATE chat.calls SET work = $3 WHERE turn_id = $1 AND id = $2"
        await talk.system.rows(change, broken.turn_id, call_id, "{}")
        old = "UPDATE chat.turns SET created_at = 'epoch', ask_at = NULL WHERE id = ANY($1)"
        await talk.system.rows(old, ids)
        await ask_after_turns(
            service.database, talk.system.bus, chat_settings(stack, reconcile_s=60)
        )
        asked = "SELECT FROM chat.turns WHERE id = ANY($1) AND ask_at > now()"
        assert len(await talk.system.rows(asked, ids)) == 2
        done = "UPDATE chat.turns SET status = 'done' WHERE id = ANY($1)"
        await talk.system.rows(done, ids)
        again = OrderEnds(turn_ids=ids)
        found = await talk.system.bus.ask(ORDER_ENDS, again, talk.cause(broken.account))
        assert found.turns == {whole.turn_id: "ended"}
        await talk.system.rows(change, broken.turn_id, call_id, work)
        opened = "UPDATE chat.turns SET status = 'acting' WHERE id = $1"
        await talk.system.rows(opened, broken.turn_id)
        for slow in (broken, whole):
            slow.gate.set()
        await talk.end(broken.turn_id)
    await service.stop()


async def test_a_turn_about_to_be_billed_has_time_for_that(talk: Talk, skill: str):
    """Its agents were done just before the deadline; the bill may come a little after it."""
    wish = f"Write a {skill} about the sea"
    async with slow_turn(talk, wish, skill, answers("Just in time.", 0.1)) as slow:
        query = "UPDATE chat.turns SET deadline_at = now() + interval '15 s' WHERE id = $1"
        await talk.system.rows(query, slow.turn_id)
        asked = (await talk.turn(slow.turn_id))["deadline_at"]
        slow.gate.set()
        end = await talk.end(slow.turn_id)
    assert end.total == Decimal("0.1")
    assert (await talk.turn(slow.turn_id))["deadline_at"] > asked


async def nothing_more(talk: Talk, slow: Slow) -> None:
    """The turn has one answer, and nothing was paid after it."""
    (end,) = talk.ends[slow.turn_id]
    assert [m.role for m in await talk.messages(slow.account)] == ["user", "assistant"]
    assert (await talk.messages(slow.account))[-1] == end.message
    assert await talk.system.wallet(slow.account) == (100 - end.total, NOTHING)
    assert (await talk.system.task(slow.account, task_id_of(slow.turn_id))) == end.task
