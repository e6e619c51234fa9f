"""The services around the task service going away and coming back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from chassis.handling import patience, settling
from contracts.errors import Unavailable
from contracts.topology import TASK_FINISH
from tests.support.polling import eventually
from tests.support.scripted_agent import ScriptedAgent, answers, waits_for
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, new_stack, running
from tests.support.system import System, listening
from tests.task.plans import spec, start


@pytest.fixture
async def system(stack: Stack) -> AsyncIterator[System]:
    """The task service; registry and payment are started by the tests."""
    async with (
        running(task_service(stack)),
        listening(stack, payment_service(stack)) as system,
    ):
        yield system


async def tried(system: System, step_id: str, times: int) -> None:
    """Wait until a step was taken up so often."""

    async def so_often() -> bool:
        rows = await system.rows("SELECT attempts FROM task.steps WHERE id = $1", step_id)
        return bool(rows) and rows[0]["attempts"] >= times

    await eventually(so_often)


async def test_without_payment_a_planned_step_waits_and_its_agent_is_not_called(
    system: System, task_id: str
):
    account = await system.account()
    step_id = f"{task_id}-1"
    async with running(registry_service(system.stack)), system.agent() as (agent_id, agent):
        await system.order(account, start(task_id, spec(step_id, agent_id)))
        await tried(system, step_id, 2)
        assert agent.calls == []
        async with running(payment_service(system.stack)):
            await system.step_is(account, task_id, step_id, "completed")
            assert await system.paid(account, task_id) == Decimal("0.1")
    assert agent.keys == [step_id]
    assert len(await system.said(task_id, "step.started")) == 1


async def test_the_end_of_a_task_outlasts_any_outage_of_payment(
    system: System, task_id: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(patience, "OUTAGE_DELAY_S", 0.01)
    monkeypatch.setattr(settling, "MOMENT_S", 0.0)
    account, stack = await system.account(), system.stack
    buried = await system.dead_letters()
    async with running(registry_service(stack)), system.agent() as (agent_id, _):
        async with running(payment_service(stack)):
            await system.order(account, start(task_id, spec(f"{task_id}-1", agent_id)))
            await system.event(task_id, "payment.recorded")
        await system.finish(account, task_id)

        async def waited_long() -> bool:
            query = "SELECT tries FROM task.waiting WHERE subject LIKE '%' || $1"
            rows = await system.rows(query, task_id)
            return bool(rows) and rows[0]["tries"] > 4 * TASK_FINISH.attempts

        await eventually(waited_long)
        await system.settled()  # It holds no place.
        async with running(payment_service(stack)):
            assert (await system.ended(account, task_id)).status == "completed"
            assert await system.paid(account, task_id) == Decimal("0.1")
    assert await system.dead_letters() == buried


async def test_without_payment_a_caller_is_told_at_once(system: System):
    account = await system.account()
    async with running(registry_service(system.stack)), system.agent() as (agent_id, agent):
        refused = await system.refusal(account, agent_id)
        assert isinstance(refused, Unavailable)
        assert "payment" in refused.message
        assert agent.calls == []
        (row,) = await system.rows("SELECT * FROM task.steps WHERE account = $1", account)
        assert (row["status"], row["reason"]) == ("failed", "payment_unavailable")
        async with running(payment_service(system.stack)):
            reply = await system.invoke(account, agent_id)
            assert await system.paid(account, reply.task_id) == Decimal("0.1")
            assert (await system.money(account, row["task_id"])).captured == 0
            assert await system.wallet(account) == (Decimal("99.9"), Decimal(0))


async def test_without_the_registry_a_planned_step_waits(system: System, task_id: str):
    account = await system.account()
    step_id = f"{task_id}-1"
    async with running(payment_service(system.stack)):
        async with running(registry_service(system.stack)), ScriptedAgent() as agent:
            await system.list_agent(task_id, agent.url)
        await system.order(account, start(task_id, spec(step_id, task_id)))
        await tried(system, step_id, 2)
        assert system.events(task_id, "step.started") == []
        await agent.start()
        async with running(registry_service(system.stack)):
            await system.step_is(account, task_id, step_id, "completed")
        await agent.stop()
    assert agent.keys == [step_id]


async def test_without_the_registry_a_caller_is_told_and_nothing_is_stored(system: System):
    account = await system.account()
    async with running(payment_service(system.stack)):
        refused = await system.refusal(account, "anybody")
    assert isinstance(refused, Unavailable)
    assert "registry" in refused.message
    assert await system.rows("SELECT 1 FROM task.tasks WHERE account = $1", account) == []


async def test_a_bill_that_nobody_can_book_now_is_answered_and_booked_later(system: System):
    account = await system.account()
    gate = asyncio.Event()
    async with (
        running(registry_service(system.stack)),
        system.agent(waits_for(gate, answers(cost=0.7)), price="0.7") as (agent_id, agent),
    ):
        async with running(payment_service(system.stack)):
            call = asyncio.create_task(system.invoke(account, agent_id))
            await agent.called()
        gate.set()
        reply = await call
        assert reply.cost == Decimal("0.7")
        assert (await system.task(account, reply.task_id)).status == "completed"
        async with running(payment_service(system.stack)):
            assert await system.paid(account, reply.task_id) == Decimal("0.7")
    assert len(agent.keys) == 1
    assert len(await system.said(reply.task_id, "payment.recorded")) == 1


async def test_an_end_waits_for_payment(system: System, task_id: str):
    account = await system.account()
    async with running(registry_service(system.stack)), system.agent() as (agent_id, _):
        async with running(payment_service(system.stack)):
            await system.order(account, start(task_id, spec(f"{task_id}-1", agent_id)))
            await system.step_is(account, task_id, f"{task_id}-1", "completed")
        await system.finish(account, task_id)
        await system.put_off(task_id)
        assert (await system.task(account, task_id)).status == "in_progress"
        async with running(payment_service(system.stack)):
            ended = (await system.event(task_id, "task.completed")).body
    assert Decimal(ended["totalCost"]) == Decimal("0.1")


@contextlib.asynccontextmanager
async def everything(stack: Stack) -> AsyncIterator[System]:
    payment = payment_service(stack)
    services = registry_service(stack), payment, task_service(stack, lease_s=1)
    async with running(*services), listening(stack, payment) as system:
        yield system


async def test_servers_may_restart_while_an_agent_works(task_id: str):
    async with new_stack() as stack, everything(stack) as system:
        account = await system.account()
        for server in (stack.postgres, stack.nats):
            gate = asyncio.Event()
            script = waits_for(gate, answers(cost=0.3)), answers(cost=0.3)
            task, step_id = f"{task_id}-{server.process.name}", f"{server.process.name}-1"
            async with system.agent(*script, price="0.3") as (agent_id, agent):
                await system.order(account, start(task, spec(step_id, agent_id)))
                await agent.called()
                await server.kill()
                gate.set()
                await server.start()
                await booked(system, task, Decimal("0.3"))
            assert set(agent.keys) == {step_id}
        assert await system.wallet(account) == (Decimal("99.4"), Decimal(0))


async def booked(system: System, task_id: str, amount: Decimal) -> None:
    """Wait until a task is paid, without asking a service that may be away."""

    async def paid() -> bool:
        query = "SELECT held, captured FROM payment.budgets WHERE task_id = $1"
        rows = await system.rows(query, task_id)
        return [(row["held"], row["captured"]) for row in rows] == [(0, amount)]

    await eventually(paid)
