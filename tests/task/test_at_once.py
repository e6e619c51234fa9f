"""Calls by single statements, beside calls by several: both leave the same behind."""

import asyncio
import contextlib
import json
from datetime import datetime
from typing import Any

import pytest

from chassis.bus.envelopes import new_id, origin
from chassis.db.database import Database
from contracts.errors import Refusal
from task_svc import store, store_at_once
from tests.support.scripted_agent import Behaviour, Call, answers, says
from tests.support.system import Said, System

SAYS: dict[str, Behaviour] = {
    "cheap": answers(cost=0.01, external_cost=0.02, vendor="Paper"),
    "overbilled": answers("dear", 5),
    "drawn": answers("a line", subtask_type="drawing"),
    "broken": says("no", 500),
}
MANY_PLACES = 50
"""An agent whose listing says how many calls it takes at once is called by several statements."""
OF_THE_MOMENT = {"seq", "cause", "execution_time", "executionTime", "reply_to"}
"""What differs from call to call."""
HEADERS = ("ce-type", "ce-source", "ce-subject", "ce-account", "ce-turnid", "ce-spender")


class Undone(Exception):
    """Nothing of it is to stay."""


async def as_asked(call: Call, writer: asyncio.StreamWriter) -> None:
    await SAYS[call.payload["text"]](call, writer)


@pytest.mark.parametrize(
    ("required", "calls", "told"),
    [
        # A task of the first call's own, taken up anew by each further one; and a task that was
        # there, in progress until it has what it asks for.
        (None, ["cheap", "overbilled", "broken", "drawn"], 1 + 2 * 4),
        (["drawing"], ["cheap", "broken", "drawn", "cheap"], 1 + 2 * 3),
    ],
)
async def test_a_call_leaves_the_same_by_either_way(
    system: System, required: list[str] | None, calls: list[str], told: int
):
    fast = await left(system, required, calls, told, places=None)
    assert fast == await left(system, required, calls, told, places=MANY_PLACES)


async def left(
    system: System, required: list[str] | None, calls: list[str], told: int, places: int | None
) -> Any:
    """What is stored and told of calls one after the other, but for ids and times.

    Args:
        system: the services.
        required: the skills that a task asks for which is there before; None for none there.
        calls: what becomes of each.
        told: how many events there are of the task itself.
        places: how many calls its agent takes at once, as its listing says.
    """
    account = await system.account()
    task_id = None
    if required is not None:
        task_id = (await system.new_task(account, required_skills=required)).id
    async with system.agent(as_asked, skills=["writing"]) as (agent_id, agent):
        listed = "UPDATE registry.agents SET at_once = $2 WHERE id = $1"
        await system.rows(listed, agent_id, places)
        for text in calls:
            try:
                reply = await system.invoke(
                    account, agent_id, task_id=task_id, payload={"text": text}, max_price="0.2"
                )
                task_id = reply.task_id
            except Refusal:
                assert text == "broken"
    assert task_id is not None
    await system.event(task_id, "step.", count=2 * len(calls))
    await system.event(task_id, "task.", count=told)
    tasks = await system.rows("SELECT * FROM task.tasks WHERE id = $1", task_id)
    steps = await system.rows("SELECT * FROM task.steps WHERE task_id = $1 ORDER BY seq", task_id)
    assert {json.loads(step["quote"])["atOnce"] for step in steps} == {places}
    names = {task_id: "TASK", account: "ACCOUNT", agent_id: "AGENT", agent.url: "URL"}
    names |= {step["id"]: f"STEP {number}" for number, step in enumerate(steps)}
    events = [shown(one) for one in system.events(task_id) if one.type[:4] in ("task", "step")]
    found = json.dumps([[settled(dict(row)) for row in [*tasks, *steps]], events], default=str)
    for id_, name in names.items():
        found = found.replace(id_, name)
    return json.loads(found)


def shown(event: Said) -> Any:
    return [settled(event.body), [event.headers.get(name) for name in HEADERS]]


def settled(row: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from call to call; of a moment, only whether there is one."""
    kept = {name: value for name, value in row.items() if name not in OF_THE_MOMENT}
    if kept.get("quote"):
        kept["quote"] = json.loads(kept["quote"]) | {"atOnce": None}
    return {name: bool(at) if isinstance(at, datetime) else at for name, at in kept.items()}


async def test_what_was_begun_by_one_statement_is_known_as_it_is_stored(
    database: Database, task_id: str
):
    task = {
        "account": "ann",
        "spender": None,
        "user_query": "do it",
        "required_skills": ["rhyme"],
        "max_budget": 1,
    }
    step: dict[str, Any] = {
        "id": new_id(),
        "replaces": None,
        "task_id": task_id,
        "account": "ann",
        "agent_id": "poet",
        "skill": "",
        "subtask_type": "rhyme",
        "payload": {"text": "hi"},
        "quote": {"agent_name": "Poet"},
        "quoted": None,
        "max_price": 1,
        "cause": {"id": "1"},
        "reply_to": "somebody",
        "lease_owner": "me",
    }
    with contextlib.suppress(Undone):
        async with database.transaction(origin("test", "test", "ann")) as tx:
            begun = await store_at_once.begin(tx, step, 8, made=task, anew=True)
            stored = await store.find_step(tx.conn, step["id"])
            assert begun == (stored, await store.find_task(tx.conn, task_id, "ann"))
            raise Undone
