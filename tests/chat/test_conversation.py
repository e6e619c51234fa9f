"""A conversation that goes on: with a task, or with what the account said before."""

import asyncio
from decimal import Decimal

import pytest

from chassis.bus.envelopes import new_id
from chat_svc.domain import task_id_of
from chat_svc.orchestrator import Move
from contracts.chat import FORGET_MESSAGES, POST_MESSAGE
from contracts.errors import Conflict, Invalid, NotFound
from tests.chat.script import Script, calls, invoke, tokens, use
from tests.support.scripted_agent import answers, waits_for
from tests.task.plans import wraps

DONE = Move("All done.", result="the result")


async def test_a_turn_goes_on_with_a_task(script: Script, skill: str):
    account, talk = await script.talk.system.account(), script.talk
    async with talk.agent(skill, wraps("one", 0.1), wraps("two", 0.2), price="0.20") as poet:
        first = await script.reply(account, calls(invoke("a", poet.id)), DONE)
        about = task_id_of(first.turn_id)
        posted = await talk.system.ask(
            POST_MESSAGE,
            account,
            turn_id=new_id(),
            content=script_for(script, poet.id),
            task_id=about,
        )
        second = await talk.end(posted.turn_id)
        other = await script.reply(account, Move("Hello."))
    assert (first.total, second.total) == (Decimal("0.1"), Decimal("0.3"))
    assert (second.message.task_id, posted.task_id, posted.message.task_id) == (about,) * 3
    assert second.status == "completed"
    assert second.bill == {poet.name: Decimal("0.3")}
    assert [message.task_id for message in await talk.messages(account, task_id=about)] == [
        about
    ] * 4
    remembered = script.last(second)
    assert (remembered.task_id, remembered.budget, remembered.left) == (
        about,
        Decimal(1),
        Decimal("0.7"),
    )
    (exchange,) = remembered.history
    assert (exchange.answer, exchange.result, exchange.task_id) == (
        "All done.",
        "the result",
        about,
    )
    assert exchange.rounds[0].results[0].call_id == "a"
    assert [one.answer for one in script.last(other).history] == ["All done.", "All done."]
    assert await talk.system.wallet(account) == (Decimal("99.7"), Decimal(0))


def script_for(script: Script, agent_id: str) -> str:
    content = f"go on {new_id()}"
    script.scripts[content] = (calls(invoke("a", agent_id, "again")), DONE)
    return content


async def test_an_answer_without_work_belongs_to_the_task_too(script: Script, skill: str):
    account, talk = await script.talk.system.account(), script.talk
    async with talk.agent(skill, answers("Waves.", 0.1)) as poet:
        first = await script.reply(account, calls(invoke("a", poet.id)), DONE)
    about = task_id_of(first.turn_id)
    end = await script.reply(account, Move("It was about waves."), task_id=about)
    assert (end.message.task_id, end.message.cost_breakdown) == (about, None)
    assert (await talk.system.task(account, about)).status == "completed"


async def test_the_budget_of_a_task_can_grow_and_not_shrink(script: Script, skill: str):
    account, talk = await script.talk.system.account(), script.talk
    async with talk.agent(skill, answers("Waves.", "0.4"), price="0.40") as poet:
        first = await script.reply(account, calls(invoke("a", poet.id)), DONE, max_budget="0.5")
        about = task_id_of(first.turn_id)
        short = await script.reply(account, calls(invoke("a", poet.id)), DONE, task_id=about)
        with pytest.raises(Invalid, match="can only grow"):
            await script.reply(account, DONE, task_id=about, max_budget="0.4")
        enough = await script.reply(
            account, calls(invoke("a", poet.id)), DONE, task_id=about, max_budget="0.9"
        )
        same = await script.reply(account, DONE, task_id=about)
    assert (first.total, short.total, enough.total) == (
        Decimal("0.4"),
        Decimal("0.4"),
        Decimal("0.8"),
    )
    assert (short.status, enough.status) == ("failed", "completed")
    assert script.last(same).budget == Decimal("0.9")


async def test_a_task_that_was_made_by_hand_can_be_worked_on(script: Script, skill: str):
    account, talk = await script.talk.system.account(), script.talk
    task = await talk.system.new_task(account, max_budget="3")
    async with talk.agent(skill, answers("Waves.", 0.1)) as poet:
        end = await script.reply(account, calls(invoke("a", poet.id)), DONE, task_id=task.id)
    assert script.last(end).budget == 3
    assert (end.message.task_id, end.status, end.total) == (task.id, "completed", Decimal("0.1"))


async def test_a_task_that_nobody_knows_or_that_is_another_s(script: Script, skill: str):
    account, other = await script.talk.system.account(), await script.talk.system.account()
    async with script.talk.agent(skill) as poet:
        end = await script.reply(account, calls(invoke("a", poet.id)), DONE)
    for who, task_id in ((account, "unknown"), (other, task_id_of(end.turn_id))):
        with pytest.raises(NotFound, match="Task not found"):
            await script.say(who, DONE, task_id=task_id)
    assert await script.talk.messages(other) == []


async def test_one_turn_at_a_time_works_on_a_task(script: Script, skill: str):
    account, gate = await script.talk.system.account(), asyncio.Event()
    async with script.talk.agent(skill, answers(), waits_for(gate, answers())) as slow:
        first = await script.reply(account, calls(invoke("a", slow.id)), DONE)
        about = task_id_of(first.turn_id)
        second = await script.say(account, calls(invoke("a", slow.id)), DONE, task_id=about)
        await slow.does.called(2)
        with pytest.raises(Conflict, match="still working"):
            await script.say(account, DONE, task_id=about)
        with pytest.raises(Conflict):
            await script.talk.system.ask(FORGET_MESSAGES, account, task_id=about)
        gate.set()
        await script.talk.end(second)
    await script.reply(account, DONE, task_id=about)


async def test_what_is_forgotten_is_no_history(script: Script, skill: str):
    account, talk = await script.talk.system.account(), script.talk
    async with talk.agent(skill, answers("Secret.")) as poet:
        first = await script.reply(account, calls(invoke("a", poet.id)), DONE)
    about = task_id_of(first.turn_id)
    await talk.system.ask(FORGET_MESSAGES, account, task_id=about)
    query = "SELECT 1 FROM chat.{} WHERE turn_id = $1"
    for table in ("calls", "rounds"):
        assert await talk.system.rows(query.format(table), first.turn_id) == []
    anew, of_task = (
        await script.reply(account, DONE),
        await script.reply(account, DONE, task_id=about),
    )
    assert script.last(anew).history == []
    assert script.last(of_task).history == []
    await talk.quiet()


async def test_a_long_past_is_told_as_far_as_it_can_be_used(script: Script):
    account, talk = await script.talk.system.account(), script.talk
    query = """
        INSERT INTO chat.turns (id, account, status, content, answer, max_budget, task_id, cause,
          deadline_at, weight, created_at)
        SELECT $1 || n, $1, 'done', 'said ' || n, 'answer ' || n, 1, $1 || n, '{}', now(),
          CASE WHEN n = 60 THEN 400001 ELSE 10 END, now() - interval '1 hour' + n * interval '1 s'
        FROM generate_series(1, 60) AS n
    """
    await talk.system.rows(query, account)
    end = await script.reply(account, DONE)
    history = script.last(end).history
    assert [one.said for one in history] == [f"said {n}" for n in range(11, 61)]


async def test_tokens_are_shown_with_their_price(script: Script, skill: str):
    account = await script.talk.system.account()
    async with script.talk.agent(skill, answers("Waves.", 0.1)) as poet:
        end = await script.reply(
            account,
            calls(use("t", "get_task"), tokens=tokens(100_000, 10_000)),
            calls(invoke("a", poet.id), tokens=tokens(100_000, 0, cached=50_000, written=40_000)),
            Move("Done.", tokens=tokens(0, 0)),
        )
    llm = end.message.llm
    assert llm is not None
    assert (llm.model, llm.input, llm.output, llm.cached, llm.written) == (
        "claude-sonnet-5-5",
        200_000,
        10_000,
        50_000,
        40_000,
    )
    # 0.2 and 0.1; then 10,000 plain for 0.02, 50,000 read for 0.005, 40,000 written for 0.1.
    assert (llm.usd, llm.charged, llm.estimated) == (Decimal("0.425"), None, False)
    assert end.total == Decimal("0.1")
    assert (await script.talk.messages(account))[-1].llm == llm
