"""Agents that are not to be called now: full, resting as they asked, or without answers."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chassis.bus.envelopes import new_id
from contracts.errors import NotFound, Unavailable
from task_svc.domain import Quote
from task_svc.restraint import LONGEST_REST_S, NotNow, Restraint
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, says, waits_for
from tests.support.services import task_service
from tests.support.stack import Stack, running
from tests.support.system import System
from tests.task.plans import spec, start

QUOTE = Quote(
    agent_name="Poet",
    endpoint_url="http://poet",
    skills=["rhyme"],
    base_price=Decimal(1),
    dynamic_price=Decimal(1),
)


def test_an_agent_that_wants_rest_has_it_and_no_longer_than_there_is_sense_in():
    now = [0.0]
    restraint = Restraint(lambda: now[0])
    restraint.rest("poet", 7.5)
    with pytest.raises(NotNow, match="Poet wants to be left alone; try again in 8 seconds"):
        restraint.through("poet", QUOTE).__enter__()
    with restraint.through("painter", QUOTE):
        now[0] = 7.5
        with restraint.through("poet", QUOTE):
            restraint.rest("poet", 1e9)
    now[0] += LONGEST_REST_S
    with restraint.through("poet", QUOTE):
        pass


def test_an_open_breaker_lets_nobody_through_and_a_half_open_one_a_single_call():
    restraint = Restraint()
    soon = datetime.now(UTC) + timedelta(seconds=60)
    shut = QUOTE.model_copy(update={"breaker": "open", "retry_at": soon})
    with pytest.raises(NotNow, match="gave no answer to its last calls; try again in 60 s"):
        restraint.through("poet", shut).__enter__()
    tried = [
        QUOTE.model_copy(update={"breaker": "half_open"}),
        # As it was remembered a moment too long.
        QUOTE.model_copy(update={"breaker": "open", "retry_at": soon - timedelta(seconds=61)}),
    ]
    for quote in tried:
        with restraint.through("poet", quote):
            for other in tried:
                with pytest.raises(NotNow, match="is being tried"):
                    restraint.through("poet", other).__enter__()
        with pytest.raises(ZeroDivisionError), restraint.through("poet", quote):
            raise ZeroDivisionError
        with restraint.through("poet", quote):
            pass


async def takes(system: System, agent_id: str, at_once: int) -> None:
    """Have a listing say how many calls its agent takes at once; quotes are of before for 2 s."""
    await system.rows("UPDATE registry.agents SET at_once = $2 WHERE id = $1", agent_id, at_once)


async def has_been_silent(system: System, agent_id: str, ago: timedelta) -> None:
    query = "UPDATE registry.agents SET silent = 5, silent_at = now() - $2::interval WHERE id = $1"
    await system.rows(query, agent_id, ago)


async def test_an_agent_gets_no_more_at_once_than_it_takes_from_all_replicas(
    system: System, stack: Stack
):
    gate = asyncio.Event()
    async with (
        running(task_service(stack)),
        system.agent(waits_for(gate, answers()), price="0.1") as (agent_id, agent),
    ):
        account = await system.account()
        await takes(system, agent_id, 3)
        calls = [asyncio.create_task(system.invoke(account, agent_id)) for _ in range(12)]
        await agent.called(3)

        async def refused() -> bool:
            return sum(call.done() for call in calls) == 9

        await eventually(refused)
        said = [call.exception() for call in calls if call.done()]
        assert all(isinstance(one, Unavailable) for one in said), said
        assert "takes 3 calls at once, and has them" in str(said[0])
        query = "SELECT count(*) AS n FROM task.steps WHERE agent_id = $1"
        assert (await system.rows(query, agent_id))[0]["n"] == 3, "nothing else is stored"
        gate.set()
        await asyncio.gather(*calls, return_exceptions=True)
        assert (await system.invoke(account, agent_id)).cost == Decimal("0.1")
        assert len(agent.calls) == 4


async def test_a_planned_step_waits_for_a_place(system: System, task_id: str):
    gate = asyncio.Event()
    async with system.agent(waits_for(gate, answers()), price="0.1") as (agent_id, agent):
        account = await system.account()
        await takes(system, agent_id, 1)
        call = asyncio.create_task(system.invoke(account, agent_id))
        await agent.called()
        await system.order(account, start(task_id, spec(task_id, agent_id)))
        await eventually(lambda: put_off(system, task_id))
        gate.set()
        await call
        await system.step_is(account, task_id, task_id, "completed")


async def test_a_planned_step_whose_agent_has_no_place_is_left_to_others(
    system: System, task_id: str
):
    gate = asyncio.Event()
    async with system.agent(waits_for(gate, answers()), price="0.1") as (agent_id, agent):
        account = await system.account()
        await takes(system, agent_id, 1)
        call = asyncio.create_task(system.invoke(account, agent_id))
        await agent.called()
        await system.order(account, start(task_id, spec(task_id, agent_id)))
        step = await system.step_is(account, task_id, task_id, "failed")
        assert "takes 1 calls at once" in (step.error or "")
        failed = (await system.event(task_id, "step.failed")).body
        assert (failed["reason"], failed["started"]) == ("agent_busy", False)
        gate.set()
        await call
        assert len(agent.calls) == 1


async def put_off(system: System, step_id: str) -> bool:
    query = "SELECT FROM task.steps WHERE id = $1 AND status = 'pending' AND attempts > 0"
    return bool(await system.rows(query, step_id))


async def test_an_agent_that_asked_for_rest_is_not_called_meanwhile(system: System):
    rest = says({"detail": "Agent busy"}, 503, "Retry-After: 60\r\n")
    async with system.agent(rest, price="0.1") as (agent_id, agent):
        account, step_id = await system.account(), new_id()
        assert isinstance(await system.refusal(account, agent_id), Unavailable)
        refused = await system.refusal(account, agent_id, step_id=step_id)
        assert isinstance(refused, Unavailable)
        assert "wants to be left alone" in refused.message
        assert refused.wait_s is not None
        assert 0 < refused.wait_s <= 60
        assert len(agent.calls) == 1
        assert await system.rows("SELECT FROM task.steps WHERE id = $1", step_id) == []


async def test_an_agent_whose_breaker_is_open_is_not_called(system: System):
    async with system.agent(answers(), price="0.1") as (agent_id, agent):
        account = await system.account()
        await has_been_silent(system, agent_id, timedelta(0))
        refused = await system.refusal(account, agent_id)
        assert isinstance(refused, Unavailable)
        assert "gave no answer to its last calls" in refused.message
        assert agent.calls == []
        await has_been_silent(system, agent_id, timedelta(hours=1))

        async def tried() -> bool:
            try:
                return bool((await system.invoke(account, agent_id)).cost)
            except (Unavailable, NotFound):
                return False

        assert await eventually(tried)

        async def closed() -> bool:
            return (await system.listed(agent_id)).breaker == "closed"

        assert await eventually(closed)
