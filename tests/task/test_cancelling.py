"""Tasks that are cancelled: nothing more begins, nothing more is paid, whoever waits is told."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from contracts.cancelling import CANCEL_TASK, CancelReply
from contracts.errors import Conflict, NotFound
from contracts.orders import AddSteps
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, hangs, until_hung_up
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening
from tests.task.plans import bill, result_of, spec, start, stop

NOTHING = (Decimal(100), Decimal(0))


@pytest.fixture(scope="module")
async def system(stack: Stack) -> AsyncIterator[System]:
    """Registry and payment; the task services are the tests' own."""
    payment = payment_service(stack)
    async with running(registry_service(stack), payment), listening(stack, payment) as system:
        yield system


@pytest.fixture(scope="module")
async def two(stack: Stack, system: System) -> AsyncIterator[System]:
    """The same, with two replicas of the task service."""
    async with running(task_service(stack), task_service(stack)):
        yield system


async def cancel(system: System, account: str, task_id: str) -> CancelReply:
    return await system.ask(CANCEL_TASK, account, task_id=task_id)


async def free(system: System, account: str) -> None:
    """Wait until nothing of an account is held any more."""

    async def so() -> bool:
        return (await system.wallet(account))[1] == 0

    await eventually(so)


async def test_a_cancelled_call_is_not_paid_and_its_agent_is_hung_up_on(two: System):
    account, left = await two.account(), asyncio.Event()
    task = await two.new_task(account)
    async with two.agent(until_hung_up(left)) as (agent_id, agent):
        calling = asyncio.create_task(two.invoke(account, agent_id, task_id=task.id))
        await agent.called()
        first = await cancel(two, account, task.id)
        assert first.cancelled
        assert first.task.status == "failed"
        with pytest.raises(Conflict, match="The task was cancelled"):
            await calling
        async with asyncio.timeout(40):
            await left.wait()
        assert await cancel(two, account, task.id) == first
        assert len(agent.calls) == 1
    await free(two, account)
    assert await two.wallet(account) == NOTHING
    (step,) = await two.steps(account, task.id)
    assert (step.status, step.reason, step.cost) == ("failed", "cancelled", Decimal(0))
    for type_ in ("task.cancelled", "task.failed", "step.failed"):
        assert len(await two.said(task.id, type_)) == 1, type_
    assert two.events(task.id, "task.cancelled")[0].body["stepIds"] == [step.id]


async def test_what_has_ended_stays_as_it_is(two: System):
    account = await two.account()
    async with two.agent(answers(cost=0.3), price="0.3") as (agent_id, _):
        reply = await two.invoke(account, agent_id)
    task = await two.task(account, reply.task_id)
    assert await cancel(two, account, task.id) == CancelReply(task=task, cancelled=False)
    assert await two.paid(account, task.id) == Decimal("0.3")
    assert two.events(task.id, "task.cancelled") == []


async def test_a_task_without_a_step_is_cancelled_and_takes_no_calls(two: System):
    account = await two.account()
    task = await two.new_task(account, required_skills=["general"])
    assert (await cancel(two, account, task.id)).task.status == "failed"
    async with two.agent() as (agent_id, agent):
        refused = await two.refusal(account, agent_id, task_id=task.id)
        assert refused.code == Conflict.code
        assert agent.calls == []
    assert (await two.task(account, task.id)).status == "failed"


async def test_a_task_whose_skills_are_done_is_cancelled_all_the_same(two: System):
    account = await two.account()
    task = await two.new_task(account, required_skills=["general"])
    async with two.agent(answers(cost=0.3), hangs, price="0.3") as (agent_id, agent):
        await two.invoke(account, agent_id, task_id=task.id)
        again = asyncio.create_task(two.refusal(account, agent_id, task_id=task.id))
        await agent.called(2)
        assert (await cancel(two, account, task.id)).task.status == "failed"
        assert (await again).code == Conflict.code
    assert await two.paid(account, task.id) == Decimal("0.3")
    assert (await two.task(account, task.id)).status == "failed"


async def test_a_call_that_goes_on_when_its_task_is_completed_is_cancelled(two: System):
    account, left = await two.account(), asyncio.Event()
    task = await two.new_task(account, required_skills=["general"])
    async with (
        two.agent(until_hung_up(left)) as (slow, agent),
        two.agent(answers(cost=0.3), price="0.3") as (quick, _),
    ):
        calling = asyncio.create_task(two.refusal(account, slow, task_id=task.id))
        await agent.called()
        await two.invoke(account, quick, task_id=task.id)
        assert (await two.task(account, task.id)).status == "completed"
        first = await cancel(two, account, task.id)
        assert (first.cancelled, first.task.status) == (True, "completed")
        assert (await calling).code == Conflict.code
        async with asyncio.timeout(40):
            await left.wait()
        assert await cancel(two, account, task.id) == first
        assert (await two.refusal(account, quick, task_id=task.id)).code == Conflict.code
    assert await two.paid(account, task.id) == Decimal("0.3")
    await free(two, account)
    assert await two.wallet(account) == (Decimal("99.7"), Decimal(0))
    assert len(await two.said(task.id, "task.cancelled")) == 1
    assert two.events(task.id, "task.failed") == []


async def test_another_accounts_task_is_not_found(two: System):
    account = await two.account()
    task = await two.new_task(account)
    with pytest.raises(NotFound):
        await cancel(two, await two.account(), task.id)
    assert (await two.task(account, task.id)).status == "created"


async def test_a_cancelled_turn_begins_no_further_step(two: System, task_id: str):
    account, left = await two.account(), asyncio.Event()
    first, second, third = (f"{task_id}-{n}" for n in (1, 2, 3))
    async with (
        two.agent(answers("done", 0.3), price="0.3") as (quick, _),
        two.agent(until_hung_up(left), answers()) as (slow, agent),
    ):
        plan = start(
            task_id,
            spec(first, quick),
            spec(second, slow, depends_on=[first]),
            spec(third, slow, {"text": result_of(second)}, depends_on=[second]),
        )
        await two.order(account, plan)
        await agent.called()
        assert (await cancel(two, account, task_id)).cancelled is False, "its turn has to be"
        await two.order(account, stop(task_id))
        more = AddSteps(task_id=task_id, turn_id=f"turn-{task_id}", steps=[spec("late", slow)])
        await two.event(task_id, "task.cancelled")
        await two.order(account, more)
        ended = (await two.event(task_id, "task.failed")).body
        async with asyncio.timeout(40):
            await left.wait()
        await two.settled()
        assert len(agent.calls) == 1
    assert bill(ended) == Decimal("0.3")
    assert (await cancel(two, account, task_id)).cancelled is True
    steps = await two.steps(account, task_id)
    assert [(step.status, step.reason) for step in steps] == [
        ("completed", None),
        ("failed", "cancelled"),
        ("failed", "cancelled"),
    ]
    assert await two.wallet(account) == (Decimal("99.7"), Decimal(0))
    assert len(await two.said(task_id, "task.cancelled")) == 1
    assert len(await two.said(task_id, "task.failed")) == 1


async def test_a_turn_that_is_cancelled_before_its_task_begins_calls_nobody(
    two: System, task_id: str
):
    account = await two.account()
    async with two.agent() as (agent_id, agent):
        await two.order(account, stop(task_id))

        async def remembered() -> bool:
            query = "SELECT * FROM task.cancelled_turns WHERE turn_id = $1"
            return bool(await two.rows(query, f"turn-{task_id}"))

        await eventually(remembered)
        await two.order(account, start(task_id, spec(f"{task_id}-1", agent_id)))
        assert (await two.ended(account, task_id)).status == "failed"
        await two.settled()
        assert await two.steps(account, task_id) == []
        assert agent.calls == []
    assert len(await two.said(task_id, "task.cancelled")) == 1
    assert not await remembered()


async def test_a_later_turn_goes_on_with_a_cancelled_task(two: System, task_id: str):
    account = await two.account()
    async with two.agent(hangs, answers("done", 0.3), price="0.3") as (agent_id, agent):
        await two.order(account, start(task_id, spec(f"{task_id}-1", agent_id)))
        await agent.called()
        await two.order(account, stop(task_id))
        await two.event(task_id, "task.failed")
        later = AddSteps(task_id=task_id, turn_id="later", steps=[spec(f"{task_id}-2", agent_id)])
        await two.order(account, later)
        await two.step_is(account, task_id, f"{task_id}-2", "completed")
        await two.finish(account, task_id, turn_id="later")
        await two.event(task_id, "task.completed")
    assert await two.paid(account, task_id) == Decimal("0.3")


async def test_of_an_end_and_a_cancelling_at_once_exactly_one_is_true(two: System):
    account = await two.account("100")
    rounds, paid = 24, 0
    async with two.agent(answers(cost=1), price="1.0") as (agent_id, _):
        for n in range(rounds):
            task = await two.new_task(account)
            calling = asyncio.create_task(two.invoke(account, agent_id, task_id=task.id))
            await asyncio.sleep(0.002 * n)
            found = await cancel(two, account, task.id)
            outcome = (await asyncio.gather(calling, return_exceptions=True))[0]
            if isinstance(outcome, Conflict):
                assert found.cancelled
                assert (await two.money(account, task.id)).captured == 0
            else:
                assert not isinstance(outcome, BaseException), outcome
                assert not found.cancelled
                assert await two.paid(account, task.id) == 1
                paid += 1
            ends = [one for one in two.events(task.id) if one.type.startswith("task.")]
            assert len({one.type for one in ends} & {"task.completed", "task.failed"}) <= 1
    await free(two, account)
    assert (await two.wallet(account))[0] == 100 - paid
