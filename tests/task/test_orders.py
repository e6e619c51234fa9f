"""Orders of an orchestrator: in any order, any number of times, and the end of a task."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chassis.bus.envelopes import new_id, origin
from contracts.orders import AddSteps, FinishTask
from contracts.payment import PLACE_HOLD
from contracts.task_events import StepFailed
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, hangs, waits_for
from tests.support.system import System
from tests.task.plans import bill, result_of, spec, start, wraps


async def test_orders_may_arrive_before_the_one_they_follow(system: System, task_id: str):
    account = await system.account()
    first, second = f"{task_id}-1", f"{task_id}-2"
    async with system.agent(wraps("x")) as (agent_id, _):
        more = spec(second, agent_id, {"text": result_of(first)}, depends_on=[first])
        await system.order(account, AddSteps(task_id=task_id, steps=[more]))
        await system.order(account, start(task_id, spec(first, agent_id, {"text": "hi"})))
        done = await system.step_is(account, task_id, second, "completed")
    assert done.result == "x(x(hi))"


async def test_an_end_that_arrives_first_ends_the_task_all_the_same(system: System, task_id: str):
    account = await system.account()
    async with system.agent(hangs) as (agent_id, _):
        await system.finish(account, task_id, outcome="failed", note="No time.")
        await system.order(account, start(task_id, spec(f"{task_id}-1", agent_id)))
        task = await system.ended(account, task_id)
    assert task.status == "failed"
    (step,) = await system.steps(account, task_id)
    assert (step.status, step.reason, step.error) == ("failed", "cancelled", "No time.")


async def test_what_nobody_waits_for_any_more_is_neither_begun_nor_held_for(
    system: System, task_id: str
):
    account, step_id = await system.account(), f"{task_id}-1"
    over = datetime.now(UTC) - timedelta(seconds=1)
    async with system.agent() as (agent_id, agent):
        await system.order(account, start(task_id, spec(step_id, agent_id)), deadline=over)
        failed = (await system.event(task_id, "step.failed")).body
        assert (failed["reason"], failed["started"]) == ("payment_unavailable", False)
        in_time = datetime.now(UTC) + timedelta(minutes=5)
        more = AddSteps(task_id=task_id, steps=[spec(f"{task_id}-2", agent_id)])
        await system.order(account, more, deadline=in_time)
        await system.step_is(account, task_id, f"{task_id}-2", "completed")
        assert await system.paid(account, task_id) == Decimal("0.1")
    assert agent.keys == [f"{task_id}-2"]
    assert len(await system.said(task_id, "hold.placed")) == 1


@pytest.mark.parametrize("same_message", [True, False])
async def test_an_order_given_twice_is_carried_out_once(
    system: System, task_id: str, same_message: bool
):
    account = await system.account()
    ids = [f"{task_id}-{n}" for n in range(3)]
    async with system.agent(wraps("x")) as (agent_id, agent):
        one, two, three = (spec(id_, agent_id, {"text": id_}) for id_ in ids)
        for order in (
            start(task_id, one, two, one),
            AddSteps(task_id=task_id, steps=[three, three]),
        ):
            message = new_id() if same_message else None
            for _ in range(3):
                await system.order(account, order, id_=message)
        for id_ in ids:
            await system.step_is(account, task_id, id_, "completed")
        message = new_id() if same_message else None
        for _ in range(3):
            end = FinishTask(task_id=task_id, outcome="completed")
            await system.order(account, end, id_=message)
        await system.ended(account, task_id)
        await system.settled()
    assert sorted(agent.keys) == ids
    (ended,) = await system.said(task_id, "task.completed")
    assert len(ended.body["bill"]) == 3
    assert len(await system.said(task_id, "task.created")) == 1
    assert len(await system.said(task_id, "task.started")) == 1
    assert len(await system.said(task_id, "step.completed", 3)) == 3
    assert await system.paid(account, task_id) == Decimal("0.3")


async def test_orders_without_steps_are_orders(system: System, task_id: str):
    account = await system.account()
    buried = await system.dead_letters()
    await system.order(account, start(task_id), AddSteps(task_id=task_id, steps=[]))
    await system.finish(account, task_id)
    task = await system.ended(account, task_id)
    assert (task.status, task.total_cost) == ("completed", Decimal(0))
    await system.settled()
    assert await system.dead_letters() == buried


async def test_the_end_cancels_what_is_open(system: System, task_id: str):
    account = await system.account()
    done, running, waiting = (f"{task_id}-{name}" for name in ("1", "2", "3"))
    gate = asyncio.Event()
    async with (
        system.agent() as (quick, _),
        system.agent(waits_for(gate, answers(cost=0.5)), price="0.5") as (slow, agent),
    ):
        await system.order(
            account,
            start(
                task_id,
                spec(done, quick),
                spec(running, slow),
                spec(waiting, quick, {"text": result_of(running)}, depends_on=[running]),
            ),
        )
        await system.step_is(account, task_id, done, "completed")
        await system.step_is(account, task_id, running, "in_progress")
        await agent.called()
        await system.finish(account, task_id)
        ended = (await system.event(task_id, "task.completed")).body
        gate.set()
        await system.event(task_id, "hold.released")
    steps = {step.id: step for step in await system.steps(account, task_id)}
    assert [steps[id_].reason for id_ in (done, running, waiting)] == [
        None,
        "cancelled",
        "cancelled",
    ]
    told = await system.said(task_id, "step.failed", 2)
    failed = {said.body["stepId"]: said.body for said in told}
    assert {id_: said["started"] for id_, said in failed.items()} == {running: True, waiting: False}
    assert bill(ended) == Decimal(ended["totalCost"]) == Decimal("0.1")
    assert await system.paid(account, task_id) == Decimal("0.1")
    assert await system.wallet(account) == (Decimal("99.9"), Decimal(0))
    (row,) = await system.rows("SELECT open_steps FROM task.tasks WHERE id = $1", task_id)
    assert row["open_steps"] == 0

    async def idle_again() -> bool:
        return (await system.listed(slow)).load == 0

    await eventually(idle_again)


async def test_what_an_agent_answers_after_the_end_changes_nothing(system: System, task_id: str):
    account = await system.account()
    gate = asyncio.Event()
    async with system.agent(waits_for(gate, answers(cost=0.5)), price="0.5") as (agent_id, agent):
        await system.order(account, start(task_id, spec(f"{task_id}-1", agent_id)))
        await agent.called()
        await system.finish(account, task_id, outcome="failed")
        before = await system.ended(account, task_id)
        gate.set()
        # The runner has looked at the answer when it takes up the next step.
        await system.order(account, start(f"{task_id}-x", spec(f"{task_id}-x1", agent_id)))
        await system.step_is(account, f"{task_id}-x", f"{task_id}-x1", "completed")
    assert await system.task(account, task_id) == before
    (step,) = await system.steps(account, task_id)
    assert (step.status, step.result, step.cost) == ("failed", None, Decimal(0))
    assert system.events(task_id, "step.completed") == []


async def test_the_end_waits_until_every_payment_is_settled(system: System, task_id: str):
    account = await system.account()
    async with system.agent() as (agent_id, _):
        await system.order(account, start(task_id, spec(f"{task_id}-1", agent_id)))
        await system.step_is(account, task_id, f"{task_id}-1", "completed")
        await system.event(task_id, "payment.recorded")
        open_hold = f"{task_id}-2"
        await system.ask(
            PLACE_HOLD,
            account,
            hold_id=open_hold,
            task_id=task_id,
            agent_id=agent_id,
            amount="0.2",
            max_budget="10",
        )
        await system.finish(account, task_id)
        await system.put_off(task_id)
        assert (await system.task(account, task_id)).status == "in_progress"
        assert system.events(task_id, "task.completed") == []
        released = StepFailed(
            task_id=task_id,
            step_id=open_hold,
            agent_id=agent_id,
            reason="cancelled",
            error="Never mind.",
            started=False,
        )
        client = await system.bus.client()
        await client.jetstream().publish(
            released.subject(),
            released.model_dump_json().encode(),
            headers=origin("task", "step.failed.v1", account).headers(),
        )
        assert (await system.ended(account, task_id)).status == "completed"


async def test_a_task_that_has_ended_takes_no_more_steps(system: System, task_id: str):
    account = await system.account()
    async with system.agent() as (agent_id, agent):
        await system.order(account, start(task_id, spec(f"{task_id}-1", agent_id)))
        await system.step_is(account, task_id, f"{task_id}-1", "completed")
        await system.finish(account, task_id)
        before = await system.ended(account, task_id)
        more = AddSteps(task_id=task_id, steps=[spec(f"{task_id}-2", agent_id)])
        await system.order(account, more)
        await system.settled()
    assert len(agent.calls) == 1
    assert len(await system.steps(account, task_id)) == 1
    assert await system.task(account, task_id) == before


async def test_orders_of_another_account_change_nothing(system: System, task_id: str):
    owner, other = await system.account(), await system.account()
    gate = asyncio.Event()
    async with system.agent(waits_for(gate, answers())) as (agent_id, agent):
        await system.order(owner, start(task_id, spec(f"{task_id}-1", agent_id)))
        await agent.called()
        await system.order(other, start(task_id, spec(f"{task_id}-2", agent_id)))
        gate.set()
        await system.step_is(owner, task_id, f"{task_id}-1", "completed")
        await system.finish(owner, task_id)
        await system.ended(owner, task_id)
    assert agent.keys == [f"{task_id}-1"]
