"""A request whose ids were chosen by its caller: asked again, it makes and pays nothing again."""

import asyncio
from decimal import Decimal

import pytest

from chassis.bus.envelopes import new_id
from contracts.errors import BadAnswer, Busy, Conflict, Invalid, Refusal
from contracts.task import InvokeReply
from tests.support.polling import eventually
from tests.support.scripted_agent import (
    Behaviour,
    Call,
    answers,
    breaks_off,
    hangs_up,
    is_busy,
    says,
    waits_for,
)
from tests.support.system import System


async def test_a_call_is_made_and_paid_once(system: System):
    account, id_ = await system.account(), new_id()
    async with system.agent(answers("Hola", 0.12), price="0.12") as (agent_id, agent):
        first = await system.invoke(account, agent_id, step_id=id_)
        again = await system.invoke(account, agent_id, step_id=id_)
        assert first.step_id == id_
        assert again == first
        assert len(agent.calls) == 1
        refused = await system.refusal(account, "somebody-else", step_id=id_)
        assert isinstance(refused, Conflict)
    assert await system.paid(account, first.task_id) == Decimal("0.12")
    assert await system.wallet(account) == (Decimal("99.88"), Decimal(0))


async def test_what_was_refused_is_refused_as_before(system: System):
    account, id_ = await system.account(), new_id()
    async with system.agent(says({"detail": "No."}, 422), answers()) as (agent_id, agent):
        first = await system.refusal(account, agent_id, step_id=id_)
        again = await system.refusal(account, agent_id, step_id=id_)
        assert isinstance(first, Invalid)
        assert (type(again), again.message) == (type(first), first.message)
        assert len(agent.calls) == 1


@pytest.mark.parametrize(
    ("trouble", "calls", "keys"),
    [
        (says("no", 500), 1, 2),  # It said that it failed, and may say so for ever.
        (says("nonsense"), 1, 2),
        (is_busy(), 4, 1),
        (hangs_up, 4, 1),  # Nobody knows whether it did the work.
        (breaks_off, 4, 1),
    ],
    ids=["500", "nonsense", "busy", "unreachable", "broken off"],
)
async def test_what_came_to_nothing_is_tried_again_and_paid_once(
    system: System, trouble: Behaviour, calls: int, keys: int
):
    account, id_ = await system.account(), new_id()
    async with system.agent(*[trouble] * calls, answers("Hola", 0.12), price="0.12") as (
        agent_id,
        agent,
    ):
        refused = await system.refusal(account, agent_id, step_id=id_)
        assert refused.code >= 500
        done = await system.invoke(account, agent_id, step_id=id_)
        assert await system.invoke(account, agent_id, step_id=id_) == done
    assert (len(agent.calls), len(set(agent.keys))) == (calls + 1, keys)
    assert agent.keys[0] == id_
    task = await system.task(account, done.task_id)
    assert (task.status, task.total_cost) == ("completed", Decimal("0.12"))
    steps = await system.steps(account, done.task_id)
    assert [(step.id, step.status) for step in steps] == [
        (id_, "failed"),
        (done.step_id, "completed"),
    ]
    assert await system.paid(account, done.task_id) == Decimal("0.12")
    assert await system.wallet(account) == (Decimal("99.88"), Decimal(0))


async def test_a_call_by_a_skill_is_answered_by_who_did_it_whoever_is_best_now(system: System):
    """The first one failed and nothing was paid: the next one does it, under a key of its own."""
    account, id_ = await system.account(), new_id()
    async with (
        system.agent(says("no", 500), price="0.12") as (first, _),
        system.agent(answers("Hola", 0.12), price="0.12") as (second, agent),
        system.agent(price="0.12") as (third, idle),
    ):
        asked = {"step_id": id_, "skill": "poetry"}
        assert isinstance(await system.refusal(account, first, **asked), BadAnswer)
        done = await system.invoke(account, second, **asked)
        assert await system.invoke(account, third, **asked) == done
        taken = await system.refusal(account, third, step_id=id_)
    assert done.agent_id == second
    assert (len(agent.calls), idle.calls) == (1, [])
    assert agent.keys == [done.step_id]
    assert isinstance(taken, Conflict)
    assert await system.paid(account, done.task_id) == Decimal("0.12")


async def test_one_of_many_who_try_again_at_once_does(system: System):
    account, id_, gate = await system.account(), new_id(), asyncio.Event()
    behaviours = says("no", 500), waits_for(gate, answers("Hola", 0.12))
    async with system.agent(*behaviours, price="0.12") as (agent_id, agent):

        async def asked() -> InvokeReply | Refusal:
            try:
                return await system.invoke(account, agent_id, step_id=id_)
            except Refusal as refused:
                return refused

        assert isinstance(await asked(), BadAnswer)
        asking = [asyncio.create_task(asked()) for _ in range(8)]
        await agent.called(2)
        gate.set()
        said = await asyncio.gather(*asking)
        done = await system.invoke(account, agent_id, step_id=id_)
        assert len(agent.calls) == 2
    assert all(one == done or isinstance(one, Busy) for one in said), said
    assert await system.paid(account, done.task_id) == Decimal("0.12")


async def test_one_of_many_who_begin_at_once_does(system: System):
    account, id_, gate = await system.account(), new_id(), asyncio.Event()
    async with system.agent(waits_for(gate, answers("Hola", 0.12)), price="0.12") as (
        agent_id,
        agent,
    ):
        asking = [
            asyncio.create_task(system.refusal(account, agent_id, step_id=id_)) for _ in range(7)
        ]
        first = asyncio.create_task(agent.called())
        await first

        async def refused() -> list[Refusal]:
            said = [one.result() for one in asking if one.done() and not one.exception()]
            return said if len(said) >= 6 else []

        said = await eventually(refused)
        gate.set()
        assert all(isinstance(one, Busy) for one in said), said
        await asyncio.wait({*asking})
        done = await system.invoke(account, agent_id, step_id=id_)
        assert len(agent.calls) == 1
    assert await system.paid(account, done.task_id) == Decimal("0.12")
    rows = await system.rows("SELECT id FROM task.tasks WHERE account = $1", account)
    assert [row["id"] for row in rows] == [done.task_id]


async def test_a_try_has_the_whole_budget_that_the_one_before_gave_back(system: System):
    """Though the hold of that one may not be released yet."""
    account, id_ = await system.account(), new_id()
    task = await system.new_task(account, max_budget="0.10")
    asked = {"task_id": task.id, "step_id": id_}
    async with system.agent(says("no", 500), answers("Hola", 0.1)) as (agent_id, _):
        assert isinstance(await system.refusal(account, agent_id, **asked), BadAnswer)
        assert (await system.invoke(account, agent_id, **asked)).cost == Decimal("0.1")
    assert await system.paid(account, task.id) == Decimal("0.1")


async def test_a_call_that_still_runs_is_not_begun_again(system: System):
    account, id_ = await system.account(), new_id()
    enough = asyncio.Event()

    async def slow(call: Call, writer: asyncio.StreamWriter) -> None:
        await enough.wait()
        await answers("Hola", 0.12)(call, writer)

    async with system.agent(slow) as (agent_id, agent):
        running = asyncio.create_task(system.invoke(account, agent_id, step_id=id_))
        await agent.called()
        refused = await system.refusal(account, agent_id, step_id=id_)
        assert isinstance(refused, Busy)
        enough.set()
        first = await running
        assert await system.invoke(account, agent_id, step_id=id_) == first
        assert len(agent.calls) == 1


async def test_a_task_is_made_once_and_only_for_its_account(system: System):
    account, other, id_ = await system.account(), await system.account(), new_id()
    made = await system.new_task(account, task_id=id_)
    assert made.id == id_
    assert await system.new_task(account, task_id=id_) == made
    with pytest.raises(Conflict):
        await system.new_task(account, task_id=id_, user_query="something else")
    with pytest.raises(Conflict):
        await system.new_task(other, task_id=id_)
