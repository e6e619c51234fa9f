"""Steps that an orchestrator plans: what they wait for, what they get, what they cost."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from contracts.orders import AddSteps
from contracts.task import RESULT_KEY
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, says
from tests.support.system import System
from tests.task.plans import bill, result_of, spec, start, wraps

FAILS = says("no", 500)


async def test_a_chain_passes_results_on(system: System, task_id: str):
    account = await system.account()
    a, b, c = (f"{task_id}-{letter}" for letter in "abc")
    async with system.agent(wraps("x", 0.15), price="0.15") as (agent_id, agent):
        await system.order(
            account,
            start(
                task_id,
                spec(c, agent_id, {"text": result_of(b)}, depends_on=[b]),
                spec(a, agent_id, {"text": "hi"}),
                spec(b, agent_id, {"text": result_of(a), "more": [result_of(a)]}, depends_on=[a]),
            ),
        )
        last = await system.step_is(account, task_id, c, "completed")
    assert last.result == "x(x(x(hi)))"
    assert agent.keys == [a, b, c]
    assert agent.calls[1].payload == {"text": "x(hi)", "more": ["x(hi)"]}
    assert (await system.task(account, task_id)).status == "in_progress", "its orchestrator ends it"
    await system.finish(account, task_id)
    ended = (await system.event(task_id, "task.completed")).body
    assert [line["stepId"] for line in ended["bill"]] == [c, a, b]
    assert {line["agentName"] for line in ended["bill"]} == {f"Agent {agent_id}"}
    assert ended["turnId"] == f"turn-{task_id}"
    assert bill(ended) == Decimal(ended["totalCost"]) == Decimal("0.45")
    assert await system.paid(account, task_id) == Decimal("0.45")
    task = await system.task(account, task_id)
    assert task.status == "completed"
    assert task.completed_at is not None


async def test_a_diamond_runs_its_middle_side_by_side(system: System, task_id: str):
    account = await system.account()
    top, left, right, bottom = (f"{task_id}-{name}" for name in ("t", "l", "r", "b"))
    both_are_there = asyncio.Event()

    async def meet(call: Any, writer: Any) -> None:
        if len(agent.calls) == 3:
            both_are_there.set()
        await both_are_there.wait()
        await wraps("m")(call, writer)

    async with system.agent(wraps("t"), meet, meet, wraps("b")) as (agent_id, agent):
        await system.order(
            account,
            start(
                task_id,
                spec(top, agent_id, {"text": "hi"}),
                spec(left, agent_id, {"text": result_of(top)}, depends_on=[top]),
                spec(right, agent_id, {"text": result_of(top)}, depends_on=[top]),
                spec(
                    bottom,
                    agent_id,
                    {"text": result_of(left), "and": result_of(right)},
                    depends_on=[left, right, left],
                ),
            ),
        )
        last = await system.step_is(account, task_id, bottom, "completed")
    assert last.result == "b(m(t(hi)))"
    assert len(agent.calls) == 4
    assert agent.calls[3].payload["and"] == "m(t(hi))"


async def test_another_step_takes_the_place_of_a_failed_one(system: System, task_id: str):
    account = await system.account()
    first, second, last, instead = (f"{task_id}-{name}" for name in ("1", "2", "3", "1b"))
    async with (
        system.agent(FAILS) as (bad, _),
        system.agent(wraps("good")) as (good, agent),
    ):
        await system.order(
            account,
            start(
                task_id,
                spec(first, bad, {"text": "hi"}),
                spec(second, good, {"text": result_of(first)}, depends_on=[first]),
                spec(last, good, {"text": result_of(second)}, depends_on=[second, first]),
            ),
        )
        failed = await system.event(task_id, "step.failed")
        assert (failed.body["stepId"], failed.body["started"]) == (first, True)
        assert agent.calls == []
        order = AddSteps(
            task_id=task_id, steps=[spec(instead, good, {"text": "hi"}, replaces=first)]
        )
        await system.order(account, order)
        await system.order(account, order)
        done = await system.step_is(account, task_id, last, "completed")
    assert done.result == "good(good(good(hi)))"
    assert agent.keys == [instead, second, last]
    await system.finish(account, task_id)
    ended = (await system.event(task_id, "task.completed")).body
    assert [line["status"] for line in ended["bill"]] == ["failed", *["completed"] * 3]
    assert bill(ended) == Decimal(ended["totalCost"]) == await system.paid(account, task_id)


async def test_steps_can_be_added_to_what_is_done(system: System, task_id: str):
    account = await system.account()
    first, second = f"{task_id}-1", f"{task_id}-2"
    async with system.agent(wraps("x")) as (agent_id, _):
        await system.order(account, start(task_id, spec(first, agent_id, {"text": "hi"})))
        await system.step_is(account, task_id, first, "completed")
        more = spec(second, agent_id, {"text": result_of(first)}, depends_on=[first])
        await system.order(account, AddSteps(task_id=task_id, steps=[more]))
        done = await system.step_is(account, task_id, second, "completed")
    assert done.result == "x(x(hi))"


async def test_a_step_for_nobody_fails_without_having_started(system: System, task_id: str):
    account = await system.account()
    await system.order(account, start(task_id, spec(f"{task_id}-1", "nobody")))
    failed = await system.event(task_id, "step.failed")
    assert (failed.body["reason"], failed.body["started"]) == ("agent_unknown", False)
    assert system.events(task_id, "step.started") == []
    assert (await system.task(account, task_id)).status == "created"


@pytest.mark.parametrize(
    ("payload", "depends_on"),
    [({"text": result_of("of-nothing")}, ["{first}"]), ({"text": {RESULT_KEY: 5}}, ["{first}"])],
)
async def test_a_reference_to_no_result_fails_the_step(
    system: System, task_id: str, payload: dict[str, Any], depends_on: list[str]
):
    account = await system.account()
    first, second = f"{task_id}-1", f"{task_id}-2"
    async with system.agent(wraps("x")) as (agent_id, agent):
        depends_on = [name.format(first=first) for name in depends_on]
        await system.order(
            account,
            start(
                task_id,
                spec(first, agent_id, {"text": "hi"}),
                spec(second, agent_id, payload, depends_on=depends_on),
            ),
        )
        step = await system.step_is(account, task_id, second, "failed")
    assert step.reason == "dependency_failed"
    assert agent.keys == [first]


async def test_a_step_cannot_have_the_result_of_another_task(system: System, task_id: str):
    theirs, ours = await system.account(), await system.account()
    secret, prying = f"{task_id}-secret", f"{task_id}-prying"
    async with system.agent(answers("the secret")) as (agent_id, agent):
        await system.order(theirs, start(f"{task_id}-a", spec(secret, agent_id)))
        await system.step_is(theirs, f"{task_id}-a", secret, "completed")
        wants = spec(prying, agent_id, {"text": result_of(secret)}, depends_on=[secret])
        await system.order(ours, start(f"{task_id}-b", wants))
        await system.settled()
        await system.finish(ours, f"{task_id}-b")
        await system.ended(ours, f"{task_id}-b")
    assert agent.keys == [secret]


async def test_a_plan_keeps_to_the_tasks_budget(system: System, task_id: str):
    account = await system.account()
    ids = [f"{task_id}-{n}" for n in range(6)]
    async with system.agent(answers(cost=0.3), price="0.30") as (agent_id, _):
        steps = [spec(id_, agent_id) for id_ in ids]
        await system.order(account, start(task_id, *steps, budget="0.5"))
        await system.order(
            account, AddSteps(task_id=task_id, steps=[spec(f"{task_id}-x", agent_id)])
        )

        async def all_over() -> bool:
            known = await system.known_steps(account, task_id)
            return len(known) == 7 and all(s.status in ("completed", "failed") for s in known)

        await eventually(all_over)
    known = await system.steps(account, task_id)
    assert {step.reason for step in known if step.status == "failed"} <= {"not_covered"}
    await system.finish(account, task_id)
    ended = (await system.event(task_id, "task.completed")).body
    assert bill(ended) == Decimal(ended["totalCost"]) <= Decimal("0.5")
    assert await system.paid(account, task_id) == bill(ended)


async def test_a_cap_holds_for_a_planned_step(system: System, task_id: str):
    account = await system.account()
    async with system.agent(answers(cost=0.9), price="0.90") as (agent_id, _):
        await system.order(
            account, start(task_id, spec(f"{task_id}-1", agent_id, max_price="0.25"))
        )
        step = await system.step_is(account, task_id, f"{task_id}-1", "completed")
    assert step.cost == Decimal("0.25")
