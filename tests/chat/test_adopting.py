"""Turns that the release before began are gone on with."""

import asyncio
import json
from decimal import Decimal
from typing import Any

from chassis.bus.envelopes import new_id
from chat_svc.domain import step_id_of, task_id_of
from contracts.orders import StartTask
from contracts.task import RESULT_KEY
from tests.chat.services import new_skill
from tests.support.scripted_agent import waits_for
from tests.support.talk import Listed, Talk
from tests.task.plans import result_of, spec, wraps

TURN = """
    INSERT INTO chat.turns (id, account, status, content, max_budget, task_id, progress, cause,
      deadline_at)
    VALUES ($1, $2, 'acting', 'an old wish', 1, $3, $4, $5, now() + interval '2 min')
"""


def planned(agent: Listed, skill: str, text: Any, *depends_on: int) -> dict[str, Any]:
    """A step as the release before kept it."""
    choice = {"agentId": agent.id, "agentName": agent.name, "payload": {"text": text}}
    return {
        "skill": skill,
        "choices": [choice],
        "dependsOn": list(depends_on),
        "attempt": 0,
        "status": "open",
        "result": None,
        "error": None,
        "troubles": [],
    }


async def begin(talk: Talk, account: str, first: Listed, second: Listed, skills: list[str]) -> str:
    turn_id = f"turn-{new_id()}"
    works = [
        planned(first, skills[0], "sea"),
        planned(second, skills[1], {RESULT_KEY: 0}, 0),
    ]
    progress = {"orchestrator": "rules", "works": works, "notes": ["By the way."]}
    cause = talk.cause(account).model_dump_json()
    about = task_id_of(turn_id)
    await talk.system.rows(TURN, turn_id, account, about, json.dumps(progress), cause)
    ids = [step_id_of(turn_id, str(n), 0) for n in range(2)]
    order = StartTask(
        task_id=about,
        turn_id=turn_id,
        user_query="an old wish",
        required_skills=skills,
        max_budget=Decimal(1),
        steps=[
            spec(ids[0], first.id, {"text": "sea"}),
            spec(ids[1], second.id, {"text": result_of(ids[0])}, depends_on=ids[:1]),
        ],
    )
    await talk.system.order(account, order)
    return turn_id


async def test_an_old_turn_comes_to_its_answer(talk: Talk, skill: str):
    account, after = await talk.system.account(), new_skill()
    async with (
        talk.agent(skill, wraps("first", 0.1)) as first,
        talk.agent(after, wraps("second", 0.2), price="0.20") as second,
    ):
        turn_id = await begin(talk, account, first, second, [skill, after])
        end = await talk.end(turn_id)
    assert end.text == "second(first(sea))\n\nBy the way."
    assert (end.status, end.total) == ("completed", Decimal("0.3"))
    assert end.bill == {first.name: Decimal("0.1"), second.name: Decimal("0.2")}


async def test_an_old_turn_that_takes_too_long_tells_what_was_done(talk: Talk, skill: str):
    account, after, gate = await talk.system.account(), new_skill(), asyncio.Event()
    async with (
        talk.agent(skill, wraps("first", 0.1)) as first,
        talk.agent(after, waits_for(gate, wraps("second", 0.2)), price="0.20") as second,
    ):
        turn_id = await begin(talk, account, first, second, [skill, after])
        await second.does.called()
        await talk.quiet()
        await talk.run_out(turn_id)
        end = await talk.end(turn_id)
        gate.set()
    assert "This took too long" in end.text
    assert f"{first.name} ({skill}):\nfirst(sea)" in end.text
    assert f"I did not finish {after}" in end.text
    assert (end.status, end.total) == ("failed", Decimal("0.1"))
