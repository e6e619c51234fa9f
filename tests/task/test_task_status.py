"""When a task made by hand is in progress, completed, failed, and taken up again."""

import asyncio

from contracts.errors import Refusal
from contracts.task import TaskView
from tests.support.scripted_agent import answers, says, waits_for
from tests.support.system import System

FAILS = says("no", 500)


async def types(system: System, task: TaskView, count: int) -> list[str]:
    return sorted(said.type for said in await system.said(task.id, "task.", count))


async def test_required_skills_are_done_one_by_one(system: System):
    account = await system.account()
    task = await system.new_task(account, required_skills=["Alpha", "beta"])
    async with (
        system.agent(skills=["alpha"]) as (alpha, _),
        system.agent(skills=["BETA", "more"]) as (beta, _),
    ):
        await system.invoke(account, alpha, task_id=task.id)
        assert (await system.task(account, task.id)).status == "in_progress"
        await system.invoke(account, alpha, task_id=task.id)
        assert (await system.task(account, task.id)).status == "in_progress"
        await system.invoke(account, beta, task_id=task.id)
    done = await system.task(account, task.id)
    assert done.status == "completed"
    assert done.completed_at is not None
    ended = await system.event(task.id, "task.completed")
    assert ended.body["totalCost"] == format(done.total_cost, "f")
    assert await types(system, task, 3) == ["task.completed", "task.created", "task.started"]


async def test_the_kind_of_work_that_was_done_counts_as_a_skill(system: System):
    account = await system.account()
    task = await system.new_task(account, required_skills=["proofread"])
    async with system.agent(answers(subtask_type="proofread")) as (agent_id, _):
        await system.invoke(account, agent_id, task_id=task.id)
    assert (await system.task(account, task.id)).status == "completed"


async def test_a_failed_call_does_not_count(system: System):
    account = await system.account()
    task = await system.new_task(account, required_skills=["alpha"])
    async with system.agent(FAILS, answers(), skills=["alpha"]) as (agent_id, _):
        await system.refusal(account, agent_id, task_id=task.id)
        failed = await system.task(account, task.id)
        assert (failed.status, failed.completed_at is None) == ("failed", False)
        await system.invoke(account, agent_id, task_id=task.id)
    done = await system.task(account, task.id)
    assert done.status == "completed"
    assert await types(system, task, 5) == [
        "task.completed",
        "task.created",
        "task.failed",
        "task.started",
        "task.started",
    ]


async def test_a_later_call_reopens_a_completed_task(system: System):
    account = await system.account()
    task = await system.new_task(account)
    gate = asyncio.Event()
    async with system.agent(answers(), waits_for(gate, answers())) as (agent_id, agent):
        await system.invoke(account, agent_id, task_id=task.id)
        first = await system.task(account, task.id)
        assert first.status == "completed"
        later = asyncio.create_task(system.invoke(account, agent_id, task_id=task.id))
        await agent.called(2)
        again = await system.task(account, task.id)
        assert (again.status, again.completed_at) == ("in_progress", None)
        gate.set()
        await later
    last = await system.task(account, task.id)
    assert last.status == "completed"
    assert first.completed_at is not None
    assert last.completed_at is not None
    assert last.completed_at > first.completed_at
    await system.event(task.id, "task.completed", count=2)


async def test_without_required_skills_it_ends_with_the_last_open_step(system: System):
    account = await system.account()
    task = await system.new_task(account)
    gate = asyncio.Event()
    async with (
        system.agent(waits_for(gate, answers())) as (slow, agent),
        system.agent() as (quick, _),
        system.agent(FAILS) as (failing, _),
    ):
        first = asyncio.create_task(system.invoke(account, slow, task_id=task.id))
        await agent.called()
        await system.invoke(account, quick, task_id=task.id)
        assert (await system.task(account, task.id)).status == "in_progress"
        await system.refusal(account, failing, task_id=task.id)
        assert (await system.task(account, task.id)).status == "in_progress"
        gate.set()
        await first
    assert (await system.task(account, task.id)).status == "completed"


async def test_what_ends_after_the_required_skills_are_done_is_still_counted(system: System):
    account = await system.account()
    task = await system.new_task(account, required_skills=["alpha"])
    gate = asyncio.Event()
    async with (
        system.agent(waits_for(gate, answers())) as (slow, agent),
        system.agent(skills=["alpha"]) as (quick, _),
    ):
        late = asyncio.create_task(system.invoke(account, slow, task_id=task.id))
        await agent.called()
        await system.invoke(account, quick, task_id=task.id)
        assert (await system.task(account, task.id)).status == "completed"
        gate.set()
        reply = await late
    assert reply.task_id == task.id
    assert (await system.task(account, task.id)).status == "completed"
    assert len(await system.steps(account, task.id)) == 2
    await system.paid(account, task.id)


async def test_the_task_of_a_single_call_fails_with_it(system: System):
    account = await system.account()
    async with system.agent(FAILS) as (agent_id, _):
        refused = await system.refusal(account, agent_id)
    assert isinstance(refused, Refusal)
    (row,) = await system.rows("SELECT id, status FROM task.tasks WHERE account = $1", account)
    assert row["status"] == "failed"
    await system.event(row["id"], "task.failed")
