"""A request whose ids were chosen by its caller: asked again, it makes and pays nothing again."""

import asyncio
from decimal import Decimal

import pytest

from chassis.envelopes import new_id
from contracts.errors import Conflict, Unavailable
from tests.task.scripted_agent import Call, answers, says
from tests.task.system import System


async def test_a_call_is_made_and_paid_once(system: System):
    account, id_ = await system.account(), new_id()
    async with system.agent(answers("Hola", 0.12)) as (agent_id, agent):
        first = await system.invoke(account, agent_id, step_id=id_)
        again = await system.invoke(account, agent_id, step_id=id_)
        assert first.step_id == id_
        assert again == first
        assert len(agent.calls) == 1
        refused = await system.refusal(account, "somebody-else", step_id=id_)
        assert isinstance(refused, Conflict)
    assert await system.paid(account, first.task_id) == Decimal("0.12")
    assert await system.wallet(account) == (Decimal("99.88"), Decimal(0))


async def test_a_failed_call_is_refused_as_before(system: System):
    account, id_ = await system.account(), new_id()
    async with system.agent(says("no", 500)) as (agent_id, agent):
        first = await system.refusal(account, agent_id, step_id=id_)
        calls = len(agent.calls)
        again = await system.refusal(account, agent_id, step_id=id_)
        assert (type(again), again.message) == (type(first), first.message)
        assert len(agent.calls) == calls


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
        assert isinstance(refused, Unavailable)
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
