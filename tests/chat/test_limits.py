"""Limits of a turn, a model in trouble, and what the model costs: honest answers, exact sums."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from chat_svc.domain import charge_id_of
from chat_svc.orchestrator import Move, Say, Situation, Trouble, TryLater
from contracts.ledger import GET_RECEIPT
from contracts.task import LIST_TASKS
from tests.chat.script import Script, calls, invoke, tokens, use
from tests.chat.services import deciding
from tests.support.polling import eventually
from tests.support.scripted_agent import answers
from tests.support.services import chat_service
from tests.support.stack import Stack, running
from tests.support.talk import NOTHING, Talk

DONE = Move("All done.", result="done")


@asynccontextmanager
async def scripted(stack: Stack, market: Talk, **settings: Any) -> AsyncIterator[Script]:
    """A chat service with settings of its own that decides as the test writes."""
    script = Script(market)
    async with running(deciding(stack, script, **settings)):
        yield script


def looks() -> Any:
    """A move that only looks, with an id of its own each time."""

    async def look(situation: Situation, _say: Say) -> Move:
        return calls(use(f"t{len(situation.rounds)}", "get_task"), text="Looking.")

    return look


async def until_last(situation: Situation, say: Say) -> Move:
    """Looks on until it is told to answer."""
    return Move("It is time to answer.") if situation.last else await looks()(situation, say)


async def test_a_turn_has_so_many_moves(stack: Stack, market: Talk, skill: str):
    async with scripted(stack, market, turn_moves=3) as script:
        account = await market.system.account()
        heeds = await script.reply(account, until_last)
        assert [one.last for one in script.asked[heeds.turn_id]] == [False, False, True]
        assert heeds.text == "It is time to answer."
        async with market.agent(skill, answers("Waves.", 0.1)) as poet:
            heedless = await script.reply(account, calls(invoke("a", poet.id)), looks())
    assert "3 moves" in heedless.text
    assert f"{poet.name} ({skill}):\nWaves." in heedless.text
    assert len(script.asked[heedless.turn_id]) == 3
    assert (heedless.status, heedless.total) == ("failed", Decimal("0.1"))


async def test_a_turn_has_so_many_tokens_and_so_much_time(stack: Stack, market: Talk):
    async def spends(situation: Situation, say: Say) -> Move:
        move = await until_last(situation, say)
        return Move(move.text, move.calls, tokens=tokens(40, 10))

    async with scripted(stack, market, turn_tokens=100) as script:
        end = await script.reply(await market.system.account(), spends)
    assert len(script.asked[end.turn_id]) == 3
    async with scripted(stack, market, answer_reserve_s=1_000) as script:
        end = await script.reply(await market.system.account(), until_last)
    assert [one.last for one in script.asked[end.turn_id]] == [False, True]


async def test_when_the_budget_is_used_up_the_answer_is_asked_for(
    stack: Stack, market: Talk, skill: str
):
    async with (
        scripted(stack, market) as script,
        market.agent(skill, answers("Waves.", 0.1)) as poet,
    ):
        account = await market.system.account()
        move = calls(invoke("a", poet.id))
        end = await script.reply(account, move, until_last, max_budget="0.1")
    assert script.last(end).left == NOTHING
    assert (end.text, end.total) == ("It is time to answer.", Decimal("0.1"))


async def test_a_trouble_is_what_the_person_is_told(stack: Stack, market: Talk, skill: str):
    trouble = Trouble("Claude declined to answer this.", tokens(1_000, 0))
    async with (
        scripted(stack, market) as script,
        market.agent(skill, answers("Waves.", 0.1)) as poet,
    ):
        account = await market.system.account()
        at_once = await script.reply(account, trouble)
        later = await script.reply(account, calls(invoke("a", poet.id)), trouble)
    assert (at_once.text, at_once.message.task_id) == (trouble.message, None)
    assert at_once.message.llm is not None
    assert at_once.message.llm.usd == Decimal("0.002")
    assert later.text.startswith(trouble.message)
    assert "Waves." in later.text
    assert (later.status, later.total) == ("failed", Decimal("0.1"))


async def test_a_busy_model_is_asked_again(stack: Stack, market: Talk):
    asked: list[int] = []

    async def busy_twice(_situation: Situation, _say: Say) -> Move:
        asked.append(1)
        if len(asked) < 3:
            raise TryLater("Claude is overloaded.", 0.05)
        return DONE

    async with scripted(stack, market) as script:
        end = await script.reply(await market.system.account(), busy_twice)
    assert (end.text, len(asked)) == ("All done.", 3)


async def test_a_model_that_stays_away_is_named(stack: Stack, market: Talk):
    """At once when it says that it will not be back in time, else at the deadline."""
    too_long = TryLater("Claude is overloaded; try again in an hour.", 3_600)
    async with scripted(stack, market) as script:
        account = await market.system.account()
        end = await script.reply(account, too_long)
        assert (end.text, end.message.task_id) == (too_long.message, None)
        turn_id = await script.say(account, TryLater("Claude is busy.", 0.05))

        async def noted() -> bool:
            return bool((await market.turn(turn_id))["trouble"])

        await eventually(noted)
        await market.run_out(turn_id)
        assert (await market.end(turn_id)).text == "Claude is busy."


async def test_a_model_that_never_answers_is_not_waited_for_after_the_deadline(
    stack: Stack, market: Talk
):
    async def hangs(_situation: Situation, _say: Say) -> Move:
        await asyncio.Event().wait()
        raise AssertionError

    async with scripted(stack, market, turn_deadline_s=0.5) as script:
        end = await script.reply(await market.system.account(), hangs)
        await market.quiet()
    assert "in time" in end.text
    assert len(market.ends[end.turn_id]) == 1


async def test_the_model_is_charged_through_the_ledger(stack: Stack, market: Talk, skill: str):
    spent = tokens(10_000, 1_000)  # 0.02 for input and 0.01 for output
    async with (
        scripted(stack, market, charge_llm=True) as script,
        market.agent(skill, answers("Waves.", 0.1)) as poet,
    ):
        account = await market.system.account()
        end = await script.reply(
            account, calls(invoke("a", poet.id), tokens=spent), Move("Done.", tokens=spent)
        )
    assert end.message.llm is not None
    assert end.message.llm.usd == end.message.llm.charged == Decimal("0.06")
    assert end.bill == {poet.name: Decimal("0.1"), "language-model": Decimal("0.06")}
    assert (end.status, end.total) == ("completed", Decimal("0.16"))
    about = end.message.task_id
    receipt = await market.system.ask(GET_RECEIPT, account, task_id=about)
    assert receipt.total == Decimal("0.16")
    assert charge_id_of(end.turn_id) in {line.step_id for line in receipt.lines}
    assert await market.system.wallet(account) == (Decimal("99.84"), NOTHING)


async def test_a_charge_without_work_keeps_to_the_budget(stack: Stack, market: Talk):
    dear = Move("It depends.", tokens=tokens(0, 30_000))  # 0.3
    async with scripted(stack, market, charge_llm=True) as script:
        account = await market.system.account()
        whole = await script.reply(account, dear)
        part = await script.reply(account, dear, max_budget="0.2")
        none = await script.reply(account, dear, max_budget="0")
        again = await script.reply(account, dear, task_id=whole.message.task_id)
        poor = await market.system.account("0.1")
        unpaid = await script.reply(poor, dear)
    for end, charged in ((whole, "0.3"), (part, "0.2")):
        assert end.message.llm is not None
        assert (end.message.llm.usd, end.message.llm.charged) == (
            Decimal("0.3"),
            Decimal(charged),
        )
        assert (end.status, end.total) == ("completed", Decimal(charged))
    assert none.message.llm is not None
    assert (none.message.llm.charged, none.message.task_id) == (None, None)
    assert again.total == Decimal("0.6")
    assert unpaid.message.llm is not None
    assert (unpaid.message.llm.charged, unpaid.message.cost_breakdown) == (NOTHING, None)
    assert await market.system.wallet(account) == (Decimal("99.2"), NOTHING)
    assert await market.system.wallet(poor) == (Decimal("0.1"), NOTHING)


@pytest.mark.parametrize("charge", [False, True])
async def test_rules_use_no_model(stack: Stack, market: Talk, charge: bool):
    async with running(chat_service(stack, charge_llm=charge)):
        account = await market.system.account()
        end = await market.reply(account, "What agents are available?")
    assert (end.message.orchestrator, end.message.llm) == ("rules", None)
    assert (await market.system.ask(LIST_TASKS, account)).tasks == []


async def test_words_are_streamed_as_they_are_said(stack: Stack, market: Talk):
    async def speaks(situation: Situation, say: Say) -> Move:
        for piece in ("All", " is", " well", "."):
            await say(piece)
        return await looks()(situation, say) if not situation.rounds else Move("All is well.")

    async with scripted(stack, market) as script:
        end = await script.reply(await market.system.account(), speaks)
    said = [event.body for event in market.events(end.turn_id, "turn.streamed")]
    for round_ in (0, 1):
        pieces = [body for body in said if body["round"] == round_]
        assert "".join(body["text"] for body in pieces) == "All is well."
        offsets = [sum(len(one["text"]) for one in pieces[:n]) for n in range(len(pieces))]
        assert [body["offset"] for body in pieces] == offsets
