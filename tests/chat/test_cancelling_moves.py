"""Turns that are cancelled while a model thinks, or while agents work for it."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from chat_svc.domain import task_id_of
from chat_svc.orchestrator import Move, Say, Situation
from contracts.cancelling import CANCEL_TASK
from contracts.errors import Conflict, NotFound
from tests.chat.script import Script, calls, invoke, tokens
from tests.chat.services import deciding, new_skill
from tests.support.scripted_agent import answers, hangs, until_hung_up
from tests.support.stack import Stack, running
from tests.support.talk import Talk


@pytest.fixture(scope="module")
async def script(stack: Stack, market: Talk) -> AsyncIterator[Script]:
    """Two replicas that decide as the test writes, and charge what the model used."""
    script = Script(market)
    services = [deciding(stack, script, charge_llm=True) for _ in range(2)]
    async with running(*services):
        yield script


async def test_what_was_cancelled_before_any_work_costs_nothing(script: Script):
    account, gate, stopped = await script.talk.system.account(), asyncio.Event(), asyncio.Event()

    async def thinks(_situation: Situation, _say: Say) -> Move:
        gate.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    turn_id = await script.say(account, thinks)
    async with asyncio.timeout(40):
        await gate.wait()
    found = await script.talk.cancel(account, turn_id=turn_id)
    assert (found.task_id, found.cancelled, found.done) == (None, True, True)
    end = await script.talk.end(turn_id)
    assert end.text == "You cancelled this before anything was paid."
    assert (end.task, end.message.cost_breakdown) == (None, None)
    async with asyncio.timeout(40):
        await stopped.wait()
    await script.talk.quiet()
    assert len(script.talk.ends[turn_id]) == 1


async def test_a_call_by_hand_for_a_task_that_a_cancelled_turn_never_took_up(script: Script):
    """The gateway cancels the task itself of a turn that is done; this turn has to say so."""
    talk, gate = script.talk, asyncio.Event()
    account = await talk.system.account()
    task = await talk.system.new_task(account)

    async def thinks(_situation: Situation, _say: Say) -> Move:
        gate.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with talk.agent(new_skill(), hangs) as agent:
        calling = asyncio.create_task(talk.system.refusal(account, agent.id, task_id=task.id))
        await agent.does.called()
        await script.say(account, thinks, task_id=task.id)
        async with asyncio.timeout(40):
            await gate.wait()
        assert (await talk.cancel(account, task_id=task.id)).done
        assert (await talk.system.ask(CANCEL_TASK, account, task_id=task.id)).cancelled
        assert (await calling).code == Conflict.code


async def test_another_accounts_turn_is_not_found(script: Script):
    account, other = await script.talk.system.account(), await script.talk.system.account()
    async with script.talk.agent(new_skill(), hangs) as agent:
        turn_id = await script.say(account, calls(invoke("a", agent.id)), Move("Done."))
        await agent.does.called()
        for which in ({"turn_id": turn_id}, {"task_id": task_id_of(turn_id)}):
            with pytest.raises(NotFound):
                await script.talk.cancel(other, **which)
        assert (await script.talk.turn(turn_id))["status"] == "acting"
        await script.talk.cancel(account, turn_id=turn_id)
        assert "Nothing was paid." in (await script.talk.end(turn_id)).text


async def test_the_next_turn_goes_on_with_a_cancelled_task(script: Script):
    account, talk = await script.talk.system.account(), script.talk
    async with talk.agent(new_skill(), hangs, answers("Waves.", 0.1)) as agent:
        turn_id = await script.say(account, calls(invoke("a", agent.id)), Move("Done."))
        await agent.does.called()
        await talk.cancel(account, turn_id=turn_id)
        await talk.end(turn_id)
        later = await script.say(
            account, calls(invoke("b", agent.id)), Move("Done."), task_id=task_id_of(turn_id)
        )
        end = await talk.end(later)
    assert (end.text, end.status, end.bill) == (
        "Done.",
        "completed",
        {agent.name: Decimal("0.1")},
    )


async def test_what_the_model_used_is_charged_and_steps_stop_before_that(script: Script):
    talk, left = script.talk, asyncio.Event()
    account = await talk.system.account()
    async with talk.agent(new_skill(), until_hung_up(left)) as agent:
        move = calls(invoke("a", agent.id), tokens=tokens(100_000, 1_000))
        turn_id = await script.say(account, move, Move("Done."))
        await agent.does.called()
        await talk.cancel(account, turn_id=turn_id)
        end = await talk.end(turn_id)
        async with asyncio.timeout(40):
            await left.wait()
    assert end.message.llm is not None
    assert end.message.llm.charged
    assert end.total == end.message.llm.charged
    assert len(talk.events(turn_id, "task.cancelled")) == 1
