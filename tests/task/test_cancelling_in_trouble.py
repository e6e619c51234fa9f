"""Cancelling while a replica dies, or while the payment service is away."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.calls import Bus
from contracts.cancelling import CANCEL_TASK
from contracts.errors import Conflict
from contracts.payment import PLACE_HOLD
from tests.support.clients import http_client
from tests.support.polling import eventually
from tests.support.scripted_agent import hangs, until_hung_up
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening
from tests.task.plans import bill, spec, start, stop
from tests.task.replica import replica

NOTHING_PAID = Decimal(100), Decimal(0)


async def task_services(stack: Stack) -> int:
    """How many of them the bus knows."""
    async with http_client() as http:
        answer = await http.get(str(stack.nats.process.ready).replace("healthz", "connz"))
    return sum(one.get("name") == "task_svc" for one in answer.json()["connections"])


async def test_a_step_that_a_dead_replica_ran_is_cancelled_by_another(stack: Stack):
    payment = payment_service(stack)
    async with (
        running(registry_service(stack), payment),
        listening(stack, payment) as system,
        system.agent(hangs) as (agent_id, agent),
        replica(stack, LEASE_S="30") as doomed,
    ):
        account = await system.account()
        task = await system.new_task(account)
        calling = asyncio.create_task(system.refusal(account, agent_id, task_id=task.id))
        await agent.called()
        async with running(task_service(stack)):
            both = await task_services(stack)

            async def is_gone() -> bool:
                return await task_services(stack) < both

            doomed.kill()
            await eventually(is_gone)  # Else the bus may still give it the request.
            assert (await system.ask(CANCEL_TASK, account, task_id=task.id)).cancelled
            assert (await calling).code == Conflict.code
            await free(system, account)
        assert len(agent.calls) == 1
        assert await system.wallet(account) == NOTHING_PAID


async def test_without_payment_what_is_held_comes_back_when_it_is_back(stack: Stack, task_id: str):
    payment, left = payment_service(stack), asyncio.Event()
    async with (
        running(registry_service(stack), task_service(stack)),
        listening(stack, payment) as system,
        system.agent(until_hung_up(left)) as (agent_id, agent),
    ):
        async with running(payment):
            account = await system.account()
            await system.order(account, start(task_id, spec(f"{task_id}-1", agent_id)))
            await agent.called()
            await held(system, account)
        await system.order(account, stop(task_id))
        await system.event(task_id, "task.cancelled")
        async with asyncio.timeout(40):
            await left.wait()
        async with running(payment_service(stack)):
            await system.event(task_id, "task.failed")
            await free(system, account)
        assert len(agent.calls) == 1
        assert await system.wallet(account) == NOTHING_PAID
        assert len(await system.said(task_id, "task.cancelled")) == 1


async def test_a_step_whose_task_ended_while_its_hold_was_on_its_way_is_not_done(
    stack: Stack, task_id: str, monkeypatch: pytest.MonkeyPatch
):
    payment, held, late, ask = payment_service(stack), asyncio.Event(), asyncio.Event(), Bus.ask

    async def slowly(bus: Bus, call: Any, *given: Any, **more: Any) -> Any:
        reply = await ask(bus, call, *given, **more)
        if call is PLACE_HOLD:
            held.set()
            await late.wait()
        return reply

    monkeypatch.setattr(Bus, "ask", slowly)
    async with (
        running(registry_service(stack), payment),
        listening(stack, payment) as system,
        system.agent() as (agent_id, agent),
    ):
        account = await system.account()
        async with running(task_service(stack, sweep_s=60)):  # Nobody looks at it meanwhile.
            await system.order(account, start(task_id, spec(f"{task_id}-1", agent_id)))
            await held.wait()
            await system.finish(account, task_id, turn_id=f"turn-{task_id}")
            assert bill((await system.event(task_id, "task.completed")).body) == 0
            late.set()
        # Whatever was to be done for a step has been done when its service has stopped.
        assert agent.calls == []
        assert await system.wallet(account) == NOTHING_PAID


async def held(system: System, account: str) -> None:
    """Wait until something of an account is held."""

    async def so() -> bool:
        return (await system.wallet(account))[1] > 0

    await eventually(so)


async def free(system: System, account: str) -> None:
    """Wait until nothing of an account is held any more."""

    async def so() -> bool:
        return (await system.wallet(account))[1] == 0

    await eventually(so)
