"""Agents that do not answer in time: nobody knows what they did, and nobody paid for it."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from chassis.bus.envelopes import new_id
from contracts.errors import TooSlow
from contracts.task import InvokeReply
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, hangs, waits_for
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening


@pytest.fixture
async def system(stack: Stack) -> AsyncIterator[System]:
    """The services, of which the one for tasks has little patience."""
    payment = payment_service(stack)
    impatient = task_service(stack, agent_timeout_s=0.3, offer_timeout_s=0.3)
    services = registry_service(stack), payment, impatient
    async with running(*services), listening(stack, payment) as system:
        yield system


async def test_a_slow_agent_is_asked_again_under_its_first_key(system: System):
    """As agents of this project do: a repeat waits for the first call, and has its answer."""
    account, id_, enough = await system.account(), new_id(), asyncio.Event()
    async with system.agent(waits_for(enough, answers("Hola", 0.12)), price="0.12") as (
        agent_id,
        agent,
    ):
        for _ in range(2):
            slow = await system.refusal(account, agent_id, step_id=id_)
            assert isinstance(slow, TooSlow)
        enough.set()

        async def answered() -> InvokeReply | None:
            try:
                return await system.invoke(account, agent_id, step_id=id_)
            except TooSlow:  # A busy machine is slow as well.
                return None

        done = await eventually(answered)
        assert done is not None
        assert await system.paid(account, done.task_id) == Decimal("0.12")
    assert set(agent.keys) == {id_}
    assert await system.wallet(account) == (Decimal("99.88"), Decimal(0))


async def test_an_agent_that_answers_too_late_keeps_its_price(system: System, task_id: str):
    account = await system.account()
    async with system.haggler(haggles=[hangs]) as (agent_id, _):
        found = await system.negotiate(account, agent_id, task_id=task_id)
    assert not found.agreed
    assert "did not answer in time" in found.message
