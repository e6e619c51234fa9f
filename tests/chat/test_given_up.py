"""What was given up is told to whoever waits, and one turn that cannot be ended blocks no other."""

import asyncio
from decimal import Decimal

import pytest

from chassis.bus.calls import Bus
from chassis.bus.envelopes import new_id
from chat_svc.handlers import overdue
from chat_svc.handlers.given_up import BROKEN
from chat_svc.orchestrator import Move, Say, Situation
from contracts.envelope import TURN
from contracts.errors import Invalid
from contracts.topology import CHAT_USE_TOOL, DEADLETTER, TASK_START, Durable
from tests.chat.script import Script, calls, use
from tests.support.polling import eventually
from tests.support.talk import NOTHING

BAD = """
    INSERT INTO chat.turns (id, account, status, content, max_budget, task_id, cause, deadline_at)
    SELECT id, 'a', 'thinking', 'said', 1, id, '{}', now() - interval '1 hour'
    FROM unnest($1::text[]) AS id
"""
LOOKS = calls(use("t", "get_task"))


async def bury(bus: Bus, durable: Durable, turn_id: str) -> None:
    """Put an order of a turn aside, as the service would that cannot carry it out."""
    client = await bus.client()
    await client.jetstream().publish(
        f"bazaar.dlq.{durable.name}", b"{}", stream=DEADLETTER.name, headers={TURN: turn_id}
    )


async def test_a_turn_whose_order_to_think_is_dead_is_answered(script: Script):
    """Long before its deadline."""
    account = await script.talk.system.account()
    end = await script.reply(account, Invalid("nobody can handle this"))
    assert (end.text, end.message.task_id, end.message.cost_breakdown) == (BROKEN, None, None)
    assert len(script.talk.ends[end.turn_id]) == 1
    again = await script.reply(account, LOOKS, Invalid("nobody can handle this"))
    assert again.text == BROKEN
    assert await script.talk.system.wallet(account) == (Decimal(100), NOTHING)


@pytest.mark.parametrize("durable", [CHAT_USE_TOOL, TASK_START], ids=lambda one: one.name)
async def test_a_turn_that_waits_for_what_is_dead_is_answered(script: Script, durable: Durable):
    account, bus = await script.talk.system.account(), script.talk.system.bus

    async def buried(situation: Situation, _say: Say) -> Move:
        await bury(bus, durable, situation.turn_id)
        raise Invalid("nor this")

    assert (await script.reply(account, buried)).text == BROKEN
    done = await script.reply(account, Move("All done."))
    await bury(bus, durable, done.turn_id)
    await bury(bus, durable, "a-turn-of-nobody")
    await script.talk.quiet()
    assert script.talk.ends[done.turn_id] == [done]


async def test_turns_that_cannot_be_ended_are_in_nobody_s_way(
    script: Script, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(overdue, "AT_ONCE", 2)
    talk, gate = script.talk, asyncio.Event()
    bad = [f"bad-{new_id()}" for _ in range(3)]
    await talk.system.rows(BAD, bad)

    async def hangs(_situation: Situation, _say: Say) -> Move:
        await gate.wait()
        return Move("Too late.")

    async def put_off() -> bool:
        query = "SELECT id FROM chat.turns WHERE id = ANY($1) AND deadline_at > now()"
        return len(await talk.system.rows(query, bad)) == len(bad)

    try:
        turn_id = await script.say(await talk.system.account(), hangs)
        await talk.run_out(turn_id)
        assert "in time" in (await talk.end(turn_id)).text
        await eventually(put_off)
    finally:
        gate.set()
        await talk.system.rows("DELETE FROM chat.turns WHERE id = ANY($1)", bad)
    await talk.quiet()
