"""A task that several turns of a conversation use, one after the other."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from contracts.orders import AddSteps, FinishTask
from contracts.task import GET_TASK
from tests.support.scripted_agent import answers, hangs
from tests.support.system import System
from tests.task.plans import bill, result_of, spec, start, wraps


@pytest.fixture(scope="module")
async def wrapper(system: System) -> AsyncIterator[str]:
    """An agent that answers `x(text)` for 0.1."""
    async with system.agent(wraps("x")) as (agent_id, _):
        yield agent_id


def turn(task_id: str, number: int) -> str:
    return f"turn-{task_id}" if number == 1 else f"turn-{task_id}-{number}"


async def one_turn(system: System, account: str, task_id: str, agent_id: str) -> str:
    """Do a task's first turn, to its end; returns its step."""
    step_id = f"{task_id}-1"
    await system.order(account, start(task_id, spec(step_id, agent_id, {"text": "hi"}), budget="1"))
    await system.step_is(account, task_id, step_id, "completed")
    await system.finish(account, task_id, turn_id=turn(task_id, 1))
    await system.ended(account, task_id)
    return step_id


async def test_a_later_turn_takes_an_ended_task_up_again(
    system: System, task_id: str, wrapper: str
):
    account = await system.account()
    first = await one_turn(system, account, task_id, wrapper)
    second, later = f"{task_id}-2", turn(task_id, 2)
    step = spec(second, wrapper, {"text": result_of(first)}, depends_on=[first])
    gate = AddSteps(task_id=task_id, turn_id=later, max_budget=Decimal(2), steps=[])
    await system.order(account, gate)
    await system.event(task_id, "task.started", count=2)
    task = await system.task(account, task_id)
    assert (task.status, task.completed_at, task.max_budget) == ("in_progress", None, Decimal(2))

    await system.order(account, AddSteps(task_id=task_id, turn_id=later, steps=[step]))
    done = await system.step_is(account, task_id, second, "completed")
    assert done.result == "x(x(hi))"
    await system.finish(account, task_id, turn_id=later)
    ended = await system.event(task_id, "task.completed", count=2)
    assert ended.headers["ce-turnid"] == ended.body["turnId"] == later
    assert bill(ended.body) == Decimal("0.2") == await system.paid(account, task_id)
    assert {line["stepId"]: line["turnId"] for line in ended.body["bill"]} == {
        first: turn(task_id, 1),
        second: later,
    }
    for type_ in ("step.started", "step.completed", "task.started"):
        said = await system.said(task_id, type_, 2)
        assert [one.headers["ce-turnid"] for one in said] == [turn(task_id, 1), later]


async def test_a_later_turn_takes_up_a_task_that_still_runs(
    system: System, task_id: str, wrapper: str
):
    account = await system.account()
    first, second, third = (f"{task_id}-{n}" for n in (1, 2, 3))
    async with system.agent(hangs) as (slow, agent):
        await system.order(account, start(task_id, spec(first, slow)))
        await agent.called()
        later = turn(task_id, 2)
        step = spec(second, wrapper, {"text": "hi"})
        await system.order(account, AddSteps(task_id=task_id, turn_id=later, steps=[step]))
        await system.step_is(account, task_id, second, "completed")
        # The first turn is over: nobody waits for its step, and it neither ends the task nor adds.
        await system.step_is(account, task_id, first, "failed")
        over = turn(task_id, 1)
        await system.finish(account, task_id, turn_id=over)
        step = spec(third, wrapper, {"text": "hi"})
        await system.order(account, AddSteps(task_id=task_id, turn_id=over, steps=[step]))
        await system.settled()
        assert (await system.task(account, task_id)).status == "in_progress"
    await system.finish(account, task_id, turn_id=later)
    await system.ended(account, task_id)
    assert [step.id for step in await system.steps(account, task_id)] == [first, second]
    assert len(await system.said(task_id, "task.started")) == 1


async def test_a_turn_may_be_ended_before_its_steps_arrive(
    system: System, task_id: str, wrapper: str
):
    account = await system.account()
    await one_turn(system, account, task_id, wrapper)
    later = turn(task_id, 2)
    await system.finish(account, task_id, turn_id=later, outcome="failed")
    order = AddSteps(
        task_id=task_id, turn_id=later, steps=[spec(f"{task_id}-2", wrapper, {"text": "hi"})]
    )
    await system.order(account, order)
    ended = await system.event(task_id, "task.failed")
    assert ended.body["turnId"] == later


@pytest.mark.parametrize(("asked", "budget"), [("0.15", "1"), ("1", "1"), ("3", "3")])
async def test_a_budget_can_only_grow(
    system: System, task_id: str, wrapper: str, asked: str, budget: str
):
    account = await system.account()
    await one_turn(system, account, task_id, wrapper)
    async with system.agent(answers(cost=2), price="2") as (dear, _):
        order = AddSteps(
            task_id=task_id,
            turn_id=turn(task_id, 2),
            max_budget=Decimal(asked),
            steps=[spec(f"{task_id}-2", dear)],
        )
        await system.order(account, order)
        status = "completed" if budget == "3" else "failed"
        await system.step_is(account, task_id, f"{task_id}-2", status)
    assert (await system.task(account, task_id)).max_budget == Decimal(budget)
    assert await system.paid(account, task_id) == Decimal("2.1" if budget == "3" else "0.1")


async def test_an_order_of_a_later_turn_given_twice_is_carried_out_once(
    system: System, task_id: str, wrapper: str
):
    account = await system.account()
    await one_turn(system, account, task_id, wrapper)
    step = spec(f"{task_id}-2", wrapper, {"text": "hi"})
    order = AddSteps(task_id=task_id, turn_id=turn(task_id, 2), steps=[step])
    for _ in range(2):
        await system.order(account, order)
    await system.step_is(account, task_id, step.id, "completed")
    await system.finish(account, task_id, turn_id=turn(task_id, 2))
    await system.event(task_id, "task.completed", count=2)
    for late in (order, FinishTask(task_id=task_id, turn_id=turn(task_id, 1), outcome="failed")):
        await system.order(account, late)
    await system.settled()
    assert (await system.task(account, task_id)).status == "completed"
    assert len(await system.said(task_id, "task.started", 2)) == 2
    assert system.events(task_id, "task.failed") == []


async def test_what_is_left_of_the_budget(system: System, task_id: str, wrapper: str):
    account = await system.account()
    first = f"{task_id}-1"
    await system.order(account, start(task_id, spec(first, wrapper, {"text": "hi"}), budget="1"))
    await system.step_is(account, task_id, first, "completed")

    async def left() -> Decimal | None:
        reply = await system.ask(GET_TASK, account, task_id=task_id, with_left=True)
        return reply.left

    # Held until it is captured: what is left is the same before and after.
    assert await left() == Decimal("0.9")
    await system.event(task_id, "payment.recorded")
    assert await left() == Decimal("0.9")
    async with system.agent(hangs, price="0.3") as (slow, agent):
        more = AddSteps(task_id=task_id, steps=[spec(f"{task_id}-2", slow)])
        await system.order(account, more)
        await agent.called()
        assert await left() == Decimal("0.6")
        await system.finish(account, task_id)
        await system.ended(account, task_id)
    assert await left() == Decimal("0.9")
    assert (await system.ask(GET_TASK, account, task_id=task_id)).left is None


async def test_only_a_failed_step_can_be_replaced(system: System, task_id: str, wrapper: str):
    account = await system.account()
    first, second = (f"{task_id}-{n}" for n in (1, 2))
    async with system.agent(hangs, price="0.8") as (slow, agent):
        await system.order(account, start(task_id, spec(first, slow), budget="1"))
        await agent.called()
        step = spec(second, wrapper, {"text": "hi"}, replaces=first)
        await system.order(account, AddSteps(task_id=task_id, steps=[step]))
        await system.step_is(account, task_id, second, "completed")
        held = "SELECT status FROM payment.holds WHERE id = $1"
        assert (await system.rows(held, first))[0]["status"] == "held"
        await system.finish(account, task_id)
        await system.ended(account, task_id)


async def test_what_was_held_for_a_failed_step_is_free_for_the_one_in_its_place(
    system: System, task_id: str, wrapper: str
):
    account = await system.account()
    first, second = (f"{task_id}-{n}" for n in (1, 2))
    async with system.agent(hangs, price="0.1") as (slow, agent):
        await system.order(account, start(task_id, spec(first, slow), budget="1"))
        await agent.called()
    await system.step_is(account, task_id, first, "failed")
    step = spec(second, wrapper, {"text": "hi"}, replaces=first)
    await system.order(account, AddSteps(task_id=task_id, steps=[step]))
    await system.step_is(account, task_id, second, "completed")
    (row,) = await system.rows("SELECT replaces FROM task.steps WHERE id = $1", second)
    assert row["replaces"] == first
    (row,) = await system.rows("SELECT replaces FROM payment.holds WHERE id = $1", second)
    assert row["replaces"] == first
