"""Turns in which agents fail or money runs out: the answer says so, and only work is paid."""

from contextlib import AsyncExitStack
from decimal import Decimal

import pytest

from chat_svc import acting
from chat_svc.domain import MAX_AGENTS_PER_STEP, step_id_of
from contracts.payment import GET_TASK_ACCOUNT
from tests.chat.services import new_skill
from tests.support.scripted_agent import answers, hangs_up, is_busy, says
from tests.support.talk import NOTHING, Talk
from tests.task.plans import wraps

FAILS = says({"detail": "Out of ink."}, 500)


async def hold_of(talk: Talk, step_id: str) -> tuple[str, Decimal]:
    """How the hold of a step ended, and what was taken of it."""
    query = "SELECT status, captured + external FROM payment.holds WHERE id = $1"
    ((status, taken),) = await talk.system.rows(query, step_id)
    return status, taken


async def test_another_agent_takes_over_from_a_busy_one(talk: Talk, skill: str):
    account = await talk.system.account()
    async with (
        talk.agent(skill, is_busy(), price="0.10") as busy,
        talk.agent(skill, answers("Waves.", 0.2), price="0.20") as free,
    ):
        end = await talk.reply(account, f"Write a {skill} about the sea")
    first, second = (step_id_of(end.turn_id, "s0", attempt) for attempt in (0, 1))
    assert end.text.startswith("Waves.")
    assert free.name in end.text
    assert busy.name in end.text
    assert "busy" in end.text
    assert end.bill == {free.name: Decimal("0.2")}
    assert (end.status, end.total) == ("completed", Decimal("0.2"))
    assert set(busy.does.keys) == {first}
    assert free.does.keys == [second]
    assert await hold_of(talk, first) == ("released", NOTHING)
    assert await hold_of(talk, second) == ("captured", Decimal("0.2"))
    assert await talk.system.wallet(account) == (Decimal("99.8"), NOTHING)


async def test_what_waits_for_a_replaced_step_gets_the_result_of_the_other(talk: Talk, skill: str):
    account, after = await talk.system.account(), new_skill()
    async with (
        talk.agent(skill, FAILS, price="0.10"),
        talk.agent(skill, wraps("other", 0.2), price="0.20") as other,
        talk.agent(after, hangs_up, price="0.10"),
        talk.agent(after, wraps("after", 0.3), price="0.30") as last,
    ):
        end = await talk.reply(
            account, f"Write a {skill} about the sea, then write a {after} about it", max_budget=1
        )
    assert end.text.startswith(f"after(other(Write a {skill} about the sea))")
    assert end.bill == {other.name: Decimal("0.2"), last.name: Decimal("0.3")}
    assert (end.status, end.total) == ("completed", Decimal("0.5"))
    assert "Out of ink" in end.text


async def test_nobody_can_do_it_after_all(talk: Talk, skill: str):
    account = await talk.system.account()
    async with AsyncExitStack() as agents:
        listed = [
            await agents.enter_async_context(talk.agent(skill, FAILS))
            for _ in range(MAX_AGENTS_PER_STEP + 1)
        ]
        end = await talk.reply(account, f"Write a {skill} about the sea")
    asked = [one for one in listed if one.does.calls]
    assert len(asked) == MAX_AGENTS_PER_STEP
    assert end.text.count("Out of ink") == MAX_AGENTS_PER_STEP
    assert f"I could not {skill}" in end.text
    assert (end.status, end.total, end.message.cost_breakdown) == ("failed", NOTHING, None)
    assert await talk.system.wallet(account) == (Decimal(100), NOTHING)


async def test_what_needs_a_failed_step_is_not_begun(talk: Talk, skill: str):
    account, after = await talk.system.account(), new_skill()
    async with talk.agent(skill, FAILS), talk.agent(after) as never:
        end = await talk.reply(
            account, f"Write a {skill} about the sea, then write a {after} about it"
        )
    assert never.does.calls == []
    assert f"I could not {skill}: The agent failed with status 500: Out of ink." in end.text
    assert f"I did not get to {after}" in end.text
    assert (end.status, end.total, end.message.cost_breakdown) == ("failed", NOTHING, None)


async def test_what_was_done_is_shown_and_paid_though_the_rest_failed(talk: Talk, skill: str):
    account, other = await talk.system.account(), new_skill()
    async with talk.agent(skill, answers("Waves.", 0.1)) as poet, talk.agent(other, FAILS):
        end = await talk.reply(account, f"Make a {skill} of the sea. Make a {other} of the sea.")
        follow_up = await talk.reply(account, f"Write a {skill} about it")
    assert f"{poet.name} ({skill}):\nWaves." in end.text
    assert f"I could not {other}" in end.text
    assert end.bill == {poet.name: Decimal("0.1")}
    assert (end.status, end.total) == ("failed", Decimal("0.1"))
    assert "Waves." in poet.does.calls[1].payload["text"]
    assert follow_up.status == "completed"


async def test_a_budget_below_the_price_calls_nobody(talk: Talk, skill: str):
    account = await talk.system.account()
    async with talk.agent(skill, price="0.10") as dear:
        end = await talk.reply(account, f"Write a {skill} about the sea", max_budget="0.05")
    assert "0.10 BazaarBucks" in end.text
    assert "0.05 BazaarBucks" in end.text
    assert (end.message.task_id, end.message.cost_breakdown) == (None, None)
    assert talk.events(end.turn_id, "plan") == []
    assert dear.does.calls == []


async def test_a_bill_above_the_price_is_paid_up_to_it(talk: Talk, skill: str):
    account = await talk.system.account()
    async with talk.agent(skill, answers("Waves.", 5), price="0.10") as greedy:
        end = await talk.reply(account, f"Write a {skill} about the sea", max_budget="0.3")
    assert end.bill == {greedy.name: Decimal("0.1")}
    assert (end.status, end.total) == ("completed", Decimal("0.1"))


async def test_an_empty_wallet_is_said_plainly(talk: Talk, skill: str):
    account = await talk.system.account("0")
    async with talk.agent(skill, price="0.10") as waiting:
        end = await talk.reply(account, f"Write a {skill} about the sea")
    assert "The wallet does not cover 0.1 BazaarBucks." in end.text
    assert waiting.does.calls == []
    assert (end.status, end.total, end.message.cost_breakdown) == ("failed", NOTHING, None)


async def test_a_wallet_for_one_of_two(talk: Talk, skill: str):
    account, other = await talk.system.account("0.15"), new_skill()
    async with (
        talk.agent(skill, answers("done", 0.1)) as one,
        talk.agent(other, answers("done", 0.1)) as two,
    ):
        end = await talk.reply(account, f"Make a {skill} of the sea. Make a {other} of the sea.")
    assert len(one.does.calls + two.does.calls) == 1
    assert "The wallet does not cover 0.1 BazaarBucks." in end.text
    assert "done" in end.text
    assert (end.status, end.total) == ("failed", Decimal("0.1"))
    assert await talk.system.wallet(account) == (Decimal("0.05"), NOTHING)


async def test_an_agent_with_nothing_to_say_is_answered_for(talk: Talk, skill: str):
    account = await talk.system.account()
    async with talk.agent(skill, answers(" \n", 0.1)) as silent:
        end = await talk.reply(account, f"Write a {skill} about the sea")
    assert end.text.strip()
    assert end.bill == {silent.name: Decimal("0.1")}
    assert (end.status, end.total) == ("completed", Decimal("0.1"))


async def test_odd_words_of_an_agent_do_not_break_the_answer(talk: Talk, skill: str):
    account, after = await talk.system.account(), new_skill()
    odd = 'NUL \x00, half a \ud83d, {"$result": 0}, ' + "long " * 30_000
    async with talk.agent(skill, answers(odd)), talk.agent(after, wraps("after")) as last:
        end = await talk.reply(
            account, f"Write a {skill} about the sea, then write a {after} about it"
        )
    assert '{"$result": 0}' in end.text
    assert end.text == f"after({last.does.calls[0].payload['text']})"
    assert end.status == "completed"
    assert (await talk.system.ask(GET_TASK_ACCOUNT, account, task_id=end.message.task_id)).captured


async def test_more_text_than_an_order_can_carry(
    talk: Talk, skill: str, monkeypatch: pytest.MonkeyPatch
):
    """Eight wishes about one long text may be more than a message can be."""
    monkeypatch.setattr(acting, "MOST_ORDER_BYTES", 20_000)
    account = await talk.system.account()
    wish = f"Write a {skill} about the sea: "
    async with talk.agent(skill, answers("Waves.")) as poet:
        short = await talk.reply(account, wish + "waves " * 500)
        long = await talk.reply(account, wish + "waves " * 1_000)
    assert short.text == "Waves."
    assert "too long" in long.text
    assert len(poet.does.calls) == 1
    assert (long.message.task_id, long.message.cost_breakdown) == (None, None)
    assert talk.events(long.turn_id, "plan") == []
