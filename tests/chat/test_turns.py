"""Turns from the wish to the answer and the bill, when everybody does what they should."""

import asyncio
from decimal import Decimal

from chat_svc.domain import step_id_of, task_id_of
from chat_svc.turn import think_id
from contracts.envelope import ACCOUNT, CORRELATION, TURN
from contracts.payment import LIST_BAZAARBUCKS, LIST_STRIPE
from contracts.task import LIST_TASKS
from tests.chat.services import new_skill
from tests.support.scripted_agent import answers
from tests.support.talk import NOTHING, Talk
from tests.task.plans import wraps

THOUGHTS = """
    SELECT (SELECT count(*) FROM chat.inbox WHERE message_id = ANY($2)),
           (SELECT count(*) FROM chat.rounds WHERE turn_id = $1)
"""
CHAT_SAYS = ("message.posted", "plan.proposed", "turn.completed")


def thinks(turn_id: str) -> list[str]:
    return [think_id(turn_id, number) for number in range(4)]


async def test_one_wish_is_done_and_billed(talk: Talk, skill: str):
    account = await talk.system.account()
    wish = f" Write a {skill} about the sea\n"
    async with talk.agent(skill, answers("Waves.", 0.1)) as poet:
        end = await talk.reply(account, wish)
    turn_id = end.turn_id
    assert end.text == "Waves."
    assert end.bill == {poet.name: Decimal("0.1")}
    assert (end.status, end.total) == ("completed", Decimal("0.1"))
    assert end.task is not None
    assert (end.task.user_query, end.task.required_skills) == (wish, [skill])
    assert poet.does.keys == [step_id_of(turn_id, "s0", 0)]
    asked, answered = await talk.messages(account)
    assert (asked.role, asked.content, asked.task_id) == ("user", wish, task_id_of(turn_id))
    assert asked.cost_breakdown is None
    assert answered == end.message
    assert (answered.role, answered.task_id) == ("assistant", task_id_of(turn_id))


async def test_everything_that_a_turn_sets_in_motion_says_whose_it_is(talk: Talk, skill: str):
    account = await talk.system.account()
    async with talk.agent(skill) as one:
        end = await talk.reply(account, f"Write a {skill} about the sea")
    said = talk.events(end.turn_id)
    assert {event.headers[ACCOUNT] for event in said} == {account}
    assert len({event.headers[CORRELATION] for event in said}) == 1
    own = [event for event in said if event.type in CHAT_SAYS]
    assert {event.headers[TURN] for event in own} == {end.turn_id}
    assert [event.type for event in own].count("message.posted") == 2
    (plan,) = talk.events(end.turn_id, "plan.proposed")
    assert plan.body["orchestrator"] == "rules"
    step = {"stepId": step_id_of(end.turn_id, "s0", 0), "agentId": one.id, "skill": skill}
    (planned,) = plan.body["steps"]
    assert {name: planned[name] for name in step} == step
    assert [candidate["agentId"] for candidate in planned["candidates"]] == [one.id]
    assert 0 < planned["candidates"][0]["score"] <= 1
    assert planned["reason"].endswith("nobody else was considered.")


async def test_the_second_of_two_gets_what_the_first_made(talk: Talk, skill: str):
    account, after = await talk.system.account(), new_skill()
    async with (
        talk.agent(skill, wraps("first", 0.1)) as first,
        talk.agent(after, wraps("second", 0.05)) as second,
    ):
        end = await talk.reply(
            account, f"Write a {skill} about the sea, then write a {after} about it"
        )
    made = f"first(Write a {skill} about the sea)"
    assert second.does.calls[0].payload["text"] == made
    assert end.text == f"second({made})"
    assert end.bill == {first.name: Decimal("0.1"), second.name: Decimal("0.05")}
    assert (end.status, end.total) == ("completed", Decimal("0.15"))
    # The plan was thought about; the answer followed from the last result.
    ((thoughts, moves),) = await talk.system.rows(THOUGHTS, end.turn_id, thinks(end.turn_id))
    assert (thoughts, moves) == (1, 2)


async def test_three_wishes_are_answered_each_by_name(talk: Talk):
    account = await talk.system.account()
    skills = [new_skill() for _ in range(3)]
    wish = " ".join(f"Make a {skill} of the sea." for skill in skills)
    async with (
        talk.agent(skills[0], answers("one", 0.1)) as one,
        talk.agent(skills[1], answers("two", 0.02)) as two,
        talk.agent(skills[2], answers("three", 0.003)) as three,
    ):
        end = await talk.reply(account, wish)
    made = zip((one, two, three), skills, ("one", "two", "three"), strict=True)
    for agent, skill, result in made:
        assert f"{agent.name} ({skill}):\n{result}" in end.text
    assert list(end.bill) == [one.name, two.name, three.name]
    assert (end.status, end.total) == ("completed", Decimal("0.123"))


async def test_what_an_agent_bought_is_on_the_bill_and_on_the_card(talk: Talk, skill: str):
    account = await talk.system.account()
    searches = answers(
        "Found.", 0.1, external_cost=0.0123, requires_external_tool=True, vendor="Sea Search"
    )
    async with talk.agent(skill, searches, price="0.1123") as seeker:
        end = await talk.reply(account, f"Write a {skill} about the sea")
    assert end.bill == {seeker.name: Decimal("0.1123")}
    assert end.total == Decimal("0.1123")
    assert (end.paid, end.by_card) == (Decimal("0.1"), Decimal("0.0123"))
    (payment,) = (await talk.system.ask(LIST_BAZAARBUCKS, account)).payments
    (card,) = (await talk.system.ask(LIST_STRIPE, account)).payments
    assert (payment.amount, payment.task_id) == (end.paid, end.message.task_id)
    assert (card.amount, card.vendor) == (end.by_card, "Sea Search")


async def test_work_that_costs_nothing_is_on_the_bill_too(talk: Talk, skill: str):
    account = await talk.system.account("0")
    async with talk.agent(skill, answers("Free.", 0), price="0") as giver:
        end = await talk.reply(account, f"Write a {skill} about the sea", max_budget="0")
    assert end.text == "Free."
    assert end.bill == {giver.name: NOTHING}
    assert (end.status, end.total) == ("completed", NOTHING)


async def test_a_question_about_the_marketplace_calls_nobody(talk: Talk, skill: str):
    account = await talk.system.account()
    async with talk.agent(skill) as one:
        end = await talk.reply(account, f"Who can {skill}?")
    assert one.name in end.text
    assert one.does.calls == []
    assert (end.message.task_id, end.message.cost_breakdown) == (None, None)
    assert (await talk.system.ask(LIST_TASKS, account)).tasks == []
    assert [message.role for message in await talk.messages(account)] == ["user", "assistant"]


async def test_it_means_the_last_result_of_this_conversation(talk: Talk, skill: str):
    account, other = await talk.system.account(), await talk.system.account()
    follow_up = "Now translate it to German"
    async with (
        talk.agent(skill, answers("Waves."), answers("Foam.")),
        # The cheapest there is, should another test have listed a translator.
        talk.agent("translate", answers("Gischt.", 0.000001), price="0.000001") as translator,
    ):
        for _ in range(2):
            await talk.reply(account, f"Write a {skill} about the sea")
        end = await talk.reply(account, follow_up)
        nothing = await talk.reply(other, follow_up)
    (call,) = translator.does.calls
    assert (call.payload["text"], call.payload["target_language"]) == ("Foam.", "de")
    assert (end.text, end.status) == ("Gischt.", "completed")
    assert end.total == Decimal("0.000001")
    assert nothing.message.task_id is None
    assert "Foam" not in nothing.text


async def test_several_turns_of_one_account_at_once(talk: Talk, skill: str):
    account = await talk.system.account()
    async with talk.agent(skill, wraps("made", 0.1)) as maker:
        wishes = [f"Write a {skill} about the number {n}" for n in range(6)]
        ends = await asyncio.gather(*(talk.reply(account, wish) for wish in wishes))
    for wish, end in zip(wishes, ends, strict=True):
        assert end.text == f"made({wish})"
        assert (end.status, list(end.bill)) == ("completed", [maker.name])
        assert end.total > NOTHING
    assert len(await talk.messages(account)) == 12
    posted, held = await talk.system.wallet(account)
    assert (posted, held) == (100 - sum(end.total for end in ends), NOTHING)
