"""Lists of tasks and steps: their order, their pages, and whose they are."""

import json
from typing import Any

import pytest

from chassis.db.aging import age
from chassis.db.database import Database
from chassis.db.pages import encode_cursor
from contracts.base import Call
from contracts.errors import Invalid, NotFound
from contracts.task import CREATE_TASK, GET_TASK, LIST_STEPS, LIST_TASKS
from task_svc import store, store_lists
from task_svc.store_aging import strip_steps
from tests.support.scripted_agent import answer, answers, says
from tests.support.system import System
from tests.task.plans import spec, start


async def pages(system: System, account: str, limit: int, call: Any, **more: Any) -> list[Any]:
    """Every page of a list, from the newest to the oldest."""
    found, cursor = [], None
    while True:
        page = await system.ask(call, account, limit=limit, cursor=cursor, **more)
        found.append(page)
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [2, 7, 8])
async def test_tasks_are_listed_newest_first(system: System, limit: int):
    account = await system.account()
    made = [(await system.new_task(account, user_query=f"task {n}")).id for n in range(7)]
    found = await pages(system, account, limit, LIST_TASKS)
    assert [task.id for page in found for task in page.tasks] == made[::-1]
    assert all(len(page.tasks) == limit for page in found[:-1])


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_steps_are_listed_oldest_first_by_pages_of_the_newest(
    system: System, task_id: str, limit: int
):
    account = await system.account()
    ids = [f"{task_id}-{n}" for n in range(5)]
    await system.order(account, start(task_id, *(spec(id_, "nobody") for id_ in ids)))
    await system.settled()
    found = await pages(system, account, limit, LIST_STEPS, task_id=task_id)
    assert [step.id for page in reversed(found) for step in page.steps] == ids


async def test_what_comes_later_does_not_disturb_a_page(system: System):
    account = await system.account()
    old = [(await system.new_task(account)).id for _ in range(4)]
    first = await system.ask(LIST_TASKS, account, limit=2)
    await system.new_task(account)
    second = await system.ask(LIST_TASKS, account, limit=2, cursor=first.next_cursor)
    assert [task.id for page in (first, second) for task in page.tasks] == old[::-1]


async def test_an_account_sees_its_own_and_nothing_else(system: System):
    mine, theirs = await system.account(), await system.account()
    task = await system.new_task(mine)
    assert (await system.ask(LIST_TASKS, theirs)).tasks == []
    calls: tuple[Call[Any, Any], ...] = (GET_TASK, LIST_STEPS)
    for call in calls:
        with pytest.raises(NotFound, match="Task not found"):
            await system.ask(call, theirs, task_id=task.id)
    assert (await system.ask(GET_TASK, mine, task_id=task.id)).task == task
    assert (await system.ask(LIST_STEPS, mine, task_id=task.id)).steps == []


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        encode_cursor("x"),
        encode_cursor("yesterday", "a"),
        encode_cursor("2024-01-01T00:00:00", "a"),
        encode_cursor("0001-01-01T00:00:00+14:00", "a"),
        encode_cursor("9999-12-31T23:59:59-14:00", "a"),
        encode_cursor("-1"),
        encode_cursor("9" * 30),
        encode_cursor("²"),
    ],
)
@pytest.mark.parametrize("call", [LIST_TASKS, LIST_STEPS], ids=lambda call: str(call.verb))
async def test_a_forged_cursor_is_refused(system: System, call: Any, cursor: str):
    account = await system.account()
    task = await system.new_task(account)
    request = {"task_id": task.id} if call is LIST_STEPS else {}
    with pytest.raises(Invalid):
        await system.ask(call, account, cursor=cursor, **request)


async def test_heavy_tasks_come_in_more_pages(system: System):
    account = await system.account()
    query = "日" * 100_000
    made = [
        (await system.ask(CREATE_TASK, account, user_query=query + str(n))).task.id
        for n in range(8)
    ]
    found = await pages(system, account, 100, LIST_TASKS)
    assert len(found) > 1
    assert [task.id for page in found for task in page.tasks] == made[::-1]


async def test_heavy_steps_come_in_more_pages(system: System, task_id: str):
    account = await system.account()
    heavy = json.dumps(answer("日" * 80_000), ensure_ascii=False)
    async with system.agent(says(heavy)) as (agent_id, _):
        ids = [f"{task_id}-{n:02}" for n in range(12)]
        await system.order(
            account, start(task_id, *(spec(id_, agent_id, max_price="0.1") for id_ in ids))
        )
        await system.event(task_id, "step.completed", count=12)
    found = await pages(system, account, 100, LIST_STEPS, task_id=task_id)
    assert len(found) > 1
    assert [step.id for page in reversed(found) for step in page.steps] == ids


async def test_heavy_steps_are_not_loaded_to_be_left_out(system: System, database: Database):
    """Five hundred results of 256 KiB would be 128 MB, for a page of one."""
    account = await system.account()
    async with system.agent(answers("x" * 200_000, 0.1)) as (agent_id, _):
        task = await system.new_task(account, max_budget=50)
        for _ in range(12):
            await system.invoke(account, agent_id, task_id=task.id)
    async with database.engine.connect() as conn:
        loaded = await store_lists.page_of_steps(conn, task.id, 500, None)
    assert 6 <= len(loaded) <= 8
    found = await pages(system, account, 500, LIST_STEPS, task_id=task.id)
    assert [len(page.steps) for page in found] == [5, 5, 2]
    assert not {"payload", "cause", "quote"} & set(loaded[0]._fields)
    async with database.engine.connect() as conn:
        (bill, *_) = await store.bill_of(conn, task.id)
    assert not {"payload", "cause", "quote", "result"} & set(bill._fields)


async def test_what_ended_long_ago_keeps_what_it_did_and_cost(system: System, database: Database):
    account = await system.account()
    async with system.agent(answers("Hola", 0.1)) as (agent_id, _):
        reply = await system.invoke(account, agent_id, payload={"text": "a secret"})
    before = await system.steps(account, reply.task_id)
    kept = "SELECT payload::text, cause::text FROM task.steps WHERE id = $1"
    assert await age(database, strip_steps, 90) == 0
    ((payload, _cause),) = await system.rows(kept, reply.step_id)
    assert "a secret" in payload
    while_ago = "UPDATE task.steps SET completed_at = now() - interval '91 days' WHERE id = $1"
    await system.rows(while_ago, reply.step_id)
    assert await age(database, strip_steps, 90, at_once=1) == 1
    assert await age(database, strip_steps, 90) == 0
    assert [tuple(row) for row in await system.rows(kept, reply.step_id)] == [("{}", "{}")]
    after = await system.steps(account, reply.task_id)
    assert [(s.id, s.result, s.cost) for s in after] == [(s.id, s.result, s.cost) for s in before]
