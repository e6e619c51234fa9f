"""What one agent and one account may have under way, and that the rest is left to the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from contracts.errors import TooSlow, Unavailable
from task_svc.settings import Settings
from task_svc.shares import Shares
from tests.support.polling import eventually
from tests.support.scripted_agent import accepts, answers, hangs, waits_for
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening
from tests.task.plans import spec, start


@contextlib.asynccontextmanager
async def bounded(stack: Stack, **settings: Any) -> AsyncIterator[System]:
    """The services, with a task service of these settings."""
    payment = payment_service(stack)
    services = registry_service(stack), payment, task_service(stack, **settings)
    async with running(*services), listening(stack, payment) as system:
        yield system


async def under_way(system: System, account: str, agent_id: str, count: int) -> list[Any]:
    return [asyncio.create_task(system.invoke(account, agent_id)) for _ in range(count)]


async def test_an_account_with_its_share_under_way_holds_up_nobody_else(stack: Stack) -> None:
    gate = asyncio.Event()
    async with (
        bounded(stack, account_calls=2, agent_calls=3) as system,
        system.agent(waits_for(gate, answers())) as (slow, agent),
        system.agent() as (quick, quick_agent),
    ):
        alice, bob = await system.account(), await system.account()
        calls = await under_way(system, alice, slow, 2)
        await agent.called(2)
        step_id = new_id()
        refused = await system.refusal(alice, quick, step_id=step_id)
        assert isinstance(refused, Unavailable)
        assert refused.message == (
            "Your account has 2 calls under way already; try again in a moment."
        )
        query = "SELECT count(*) AS steps FROM task.steps WHERE account = $1"
        assert (await system.rows(query, alice))[0]["steps"] == 2, "nothing is stored"
        assert quick_agent.calls == []
        await system.invoke(bob, quick)
        gate.set()
        await asyncio.gather(*calls)
        assert (await system.invoke(alice, quick, step_id=step_id)).step_id == step_id


async def test_an_agent_with_its_share_under_way_holds_up_no_other(stack: Stack) -> None:
    gate = asyncio.Event()
    async with (
        bounded(stack, account_calls=3, agent_calls=2) as system,
        system.agent(waits_for(gate, answers())) as (slow, agent),
        system.agent() as (quick, _),
    ):
        alice, bob = await system.account(), await system.account()
        calls = await under_way(system, alice, slow, 2)
        await agent.called(2)
        refused = await system.refusal(bob, slow)
        assert isinstance(refused, Unavailable)
        assert refused.message == (
            "The agent has 2 calls under way already; try again in a moment."
        )
        await system.invoke(bob, quick)
        await system.invoke(alice, quick)
        gate.set()
        await asyncio.gather(*calls)
        await system.invoke(bob, slow)


async def test_a_call_that_fails_is_under_way_no_more(stack: Stack) -> None:
    async with (
        bounded(stack, account_calls=1, agent_calls=1, agent_timeout_s=0.2) as system,
        system.agent(hangs, answers()) as (agent_id, _),
    ):
        account = await system.account()
        assert "in time" in (await system.refusal(account, agent_id)).message
        assert "not found" in (await system.refusal(account, "nobody")).message

        async def done() -> bool:
            try:
                return (await system.invoke(account, agent_id)).result == "done"
            except TooSlow:  # A busy machine is slow as well.
                return False

        await eventually(done)


async def test_negotiations_count_as_calls(stack: Stack) -> None:
    gate = asyncio.Event()
    async with (
        bounded(stack, account_calls=1, agent_calls=1) as system,
        system.haggler(haggles=[waits_for(gate, accepts())]) as (slow, agent),
        system.haggler(haggles=[accepts()]) as (quick, _),
    ):
        alice, bob = await system.account(), await system.account()
        first = asyncio.create_task(system.negotiate(alice, slow, max_price="0.9"))
        await agent.offered()
        for account, agent_id, who in ((alice, quick, "Your account"), (bob, slow, "The agent")):
            with pytest.raises(Unavailable, match=f"^{who} has 1 calls under way already"):
                await system.negotiate(account, agent_id, max_price="0.9")
        assert (await system.negotiate(bob, quick, max_price="0.9")).agreed
        gate.set()
        assert (await first).agreed


@pytest.mark.parametrize("share", [{"account_calls": 2}, {"agent_calls": 2}], ids=str)
async def test_steps_beyond_a_share_wait_and_take_no_room(
    stack: Stack, task_id: str, share: dict[str, int]
) -> None:
    gate = asyncio.Event()
    async with (
        bounded(stack, running_steps=3, sweep_s=0.05, **share) as system,
        system.agent(waits_for(gate, answers())) as (slow, agent),
        system.agent() as (quick, _),
    ):
        alice, bob = await system.account(), await system.account()
        ids = [f"{task_id}-{n}" for n in range(6)]
        await system.order(alice, start(task_id, *(spec(id_, slow) for id_ in ids)))
        await agent.called(2)
        other = f"{task_id}-b"
        theirs = [f"{other}-{n}" for n in range(3)]
        await system.order(bob, start(other, *(spec(id_, quick) for id_ in theirs)))
        await system.event(other, "step.completed", count=3)
        assert len(agent.calls) == 2, "the rest stays in the queue"
        query = "SELECT count(*) AS untouched FROM task.steps WHERE task_id = $1 AND attempts = 0"
        assert (await system.rows(query, task_id))[0]["untouched"] == 4
        gate.set()
        await system.event(task_id, "step.completed", count=len(ids))
    assert sorted(agent.keys) == ids


async def test_a_call_that_is_cancelled_gives_its_place_back() -> None:
    shares = Shares(Settings.model_validate({"agent_calls": 1, "account_calls": 1}))
    began = asyncio.Event()

    async def call() -> None:
        with shares.calling("agent", "alice"):
            began.set()
            await asyncio.Event().wait()

    calling = asyncio.create_task(call())
    await began.wait()
    assert shares.full() == (["agent"], ["alice"])
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    assert shares.full() == ([], [])
    assert shares.has_room("agent", "alice")
