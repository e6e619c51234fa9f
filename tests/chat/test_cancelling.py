"""Wishes that the person cancels: they end at once, with what was paid so far, and do no more."""

import asyncio
from decimal import Decimal

from chat_svc.domain import task_id_of
from contracts.turns import CancelledTurn
from tests.chat.services import new_skill
from tests.support.scripted_agent import answers, until_hung_up
from tests.support.talk import Talk

STOPPED = "You cancelled this, so I stopped."


async def test_a_cancelled_wish_says_what_was_done_and_paid(talk: Talk, skill: str):
    account, last, left = await talk.system.account(), new_skill(), asyncio.Event()
    wish = f"Write a {skill} about the sea, then write a {last} about it"
    async with (
        talk.agent(skill, answers("Waves.", 0.1)) as poet,
        talk.agent(last, until_hung_up(left), answers("Again.", 1)) as slow,
    ):
        turn_id = await talk.say(account, wish)
        await slow.does.called()
        first = await talk.cancel(account, turn_id=turn_id)
        assert first == CancelledTurn(
            turn_id=turn_id, task_id=task_id_of(turn_id), cancelled=True, done=False
        )
        end = await talk.end(turn_id)
        assert end.text.startswith(STOPPED)
        assert f"{poet.name} ({skill}):\nWaves." in end.text
        assert f"I did not finish {last}" in end.text
        assert "Paid so far: 0.1 BazaarBucks" in end.text
        assert end.bill == {poet.name: Decimal("0.1")}
        assert (end.status, end.total) == ("failed", Decimal("0.1"))
        async with asyncio.timeout(40):
            await left.wait()
        again = await talk.cancel(account, task_id=task_id_of(turn_id))
        assert again == first.model_copy(update={"done": True})
        await talk.quiet()
        assert len(slow.does.calls) == 1
    assert len(talk.ends[turn_id]) == 1
    assert len(talk.events(turn_id, "task.cancelled")) == 1


async def test_a_turn_that_has_ended_stays_as_it_is(talk: Talk, skill: str):
    account = await talk.system.account()
    async with talk.agent(skill, answers("Waves.", 0.1)):
        turn_id = await talk.say(account, f"Write a {skill} about the sea")
        end = await talk.end(turn_id)
        # Long ago, even what it was caused by is gone.
        await talk.system.rows("UPDATE chat.turns SET cause = '{}' WHERE id = $1", turn_id)
        found = await talk.cancel(account, turn_id=turn_id)
    assert (found.cancelled, found.done) == (False, True)
    await talk.quiet()
    assert talk.ends[turn_id] == [end]
    assert talk.events(turn_id, "task.cancelled") == []
