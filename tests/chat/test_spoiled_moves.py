"""A model whose moves are of no use, or come too late: they are counted, and paid for."""

import asyncio
from decimal import Decimal

import pytest

from chat_svc.handlers import thinking
from chat_svc.orchestrator import Move, Say, Situation, Spoiled
from tests.chat.script import calls, invoke, tokens, use
from tests.chat.test_limits import scripted
from tests.support.scripted_agent import answers, waits_for
from tests.support.stack import Stack
from tests.support.talk import NOTHING, Talk

DONE = Move("All done.", result="done")
SPENT = tokens(10_000, 1_000)  # 0.03
BROKE_OFF = Spoiled("Claude's answer broke off.", SPENT)


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinking, "SPOILED_REST_S", 0.05)


async def test_a_spoiled_move_counts_and_the_next_one_is_asked_for(stack: Stack, market: Talk):
    made: list[int] = []

    async def spoiled_twice(situation: Situation, _say: Say) -> Move:
        made.append(len(situation.rounds))
        if len(made) < 3:
            raise BROKE_OFF
        return Move("All done.", tokens=SPENT)

    async with scripted(stack, market, charge_llm=True) as script:
        end = await script.reply(await market.system.account(), spoiled_twice)
    assert (end.text, made) == ("All done.", [0, 0, 0])
    assert end.message.llm is not None
    assert end.message.llm.input == 30_000
    assert end.message.llm.charged == Decimal("0.09") == end.total


async def test_a_model_that_never_makes_sense_ends_the_turn_at_its_limit(
    stack: Stack, market: Talk, skill: str
):
    async with (
        scripted(stack, market, turn_moves=4) as script,
        market.agent(skill, answers("Waves.", 0.1)) as poet,
    ):
        account = await market.system.account()
        end = await script.reply(account, calls(invoke("a", poet.id)), BROKE_OFF)
        await market.quiet()
    assert len(script.asked[end.turn_id]) == 4
    assert end.text.startswith("Claude's answer broke off.")
    assert "Waves." in end.text
    assert (end.status, end.total) == ("failed", Decimal("0.1"))
    assert end.message.llm is not None
    assert end.message.llm.output == 3_000


async def test_a_spoiled_move_with_no_time_for_another_is_the_last(
    stack: Stack, market: Talk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(thinking, "SPOILED_REST_S", 1_000)
    async with scripted(stack, market) as script:
        end = await script.reply(await market.system.account(), BROKE_OFF)
    assert end.text == "Claude's answer broke off."
    assert len(script.asked[end.turn_id]) == 1


async def test_what_a_model_used_is_paid_at_the_deadline_too(
    stack: Stack, market: Talk, skill: str
):
    """Also while an agent is at work: what is held for it comes back."""
    gate = asyncio.Event()
    async with (
        scripted(stack, market, charge_llm=True) as script,
        market.agent(skill, waits_for(gate, answers("Too late."))) as slow,
    ):
        account = await market.system.account()
        turn_id = await script.say(account, calls(invoke("a", slow.id), tokens=SPENT), DONE)
        await slow.does.called()
        await market.run_out(turn_id)
        end = await market.end(turn_id)
        gate.set()
        await market.quiet()
    assert "This took too long" in end.text
    assert end.message.llm is not None
    assert end.message.llm.charged == end.message.llm.usd == Decimal("0.03")
    assert end.bill == {"language-model": Decimal("0.03")}
    assert (end.status, end.total) == ("failed", Decimal("0.03"))
    assert await market.system.wallet(account) == (Decimal("99.97"), NOTHING)


async def test_a_turn_without_work_is_paid_for_at_its_deadline(stack: Stack, market: Talk):
    asked, gate = asyncio.Event(), asyncio.Event()

    async def hang(_situation: Situation, _say: Say) -> Move:
        asked.set()
        await gate.wait()
        return DONE

    async with scripted(stack, market, charge_llm=True) as script:
        account = await market.system.account()
        turn_id = await script.say(account, calls(use("t", "get_task"), tokens=SPENT), hang)
        await asked.wait()
        await market.run_out(turn_id)
        end = await market.end(turn_id)
        gate.set()
        await market.quiet()
    assert "Nothing was charged" not in end.text
    assert end.message.llm is not None
    assert end.message.llm.charged == Decimal("0.03") == end.total
    assert await market.system.wallet(account) == (Decimal("99.97"), NOTHING)
