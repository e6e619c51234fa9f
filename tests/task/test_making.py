"""Tasks made by hand, many at once: one statement, and each for its own caller."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event

from chassis.bus.envelopes import new_id
from chassis.service import Service
from contracts.errors import Conflict, Invalid
from contracts.task import LIST_TASKS, TaskView
from tests.support.polling import eventually
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening

MANY = 20
DEFAULT = 10
"""What a task may cost that says nothing of it."""


@pytest.fixture(scope="module")
async def market(stack: Stack) -> AsyncIterator[tuple[System, Service]]:
    """The services; and the task service itself."""
    payment, task = payment_service(stack), task_service(stack)
    async with (
        running(registry_service(stack), payment, task),
        listening(stack, payment) as system,
    ):
        yield system, task


@contextlib.contextmanager
def counted(task: Service) -> Iterator[list[str]]:
    """The statements that store tasks."""
    found: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "INSERT INTO task.tasks" in statement or "INSERT INTO task.task_outbox" in statement:
            found.append(statement)

    engine = task.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def at_once(
    market: tuple[System, Service], account: str, asked: list[dict[str, Any]]
) -> list[Any]:
    """What comes of requests that all wait while one before them is being stored."""
    system, task = market
    first = f"first-{new_id()[:8]}"
    other = await asyncpg.connect(system.stack.admin_url)
    try:
        storing = other.transaction()
        await storing.start()
        await other.execute(
            "INSERT INTO task.tasks (id, account, user_query, required_skills, status, max_budget)"
            " VALUES ($1, 'somebody', 'it', '{}', 'created', 1)",
            first,
        )
        making = [asyncio.create_task(system.new_task(account, task_id=first))]

        async def all_wait() -> bool:
            return len([*task.subscribers.requests()]) == len(making)

        await eventually(all_wait)
        heavy = await system.new_task(account, user_query="long " * 4_000)
        await system.event(heavy.id, "task.created")  # It waits for no others.
        making += [asyncio.create_task(system.new_task(account, **one)) for one in asked]
        await eventually(all_wait)
        await storing.rollback()
    finally:
        await other.close()
    found = await asyncio.gather(*making, return_exceptions=True)
    assert isinstance(found[0], TaskView)
    return found[1:]


async def test_a_task_is_made_by_one_statement(market: tuple[System, Service]):
    system, task = market
    account = await system.account()
    with counted(task) as statements:
        await system.new_task(account)
    assert len(statements) == 1


async def test_tasks_that_are_asked_for_at_once_are_stored_by_one(
    market: tuple[System, Service],
):
    system, task = market
    account = await system.account()
    asked: list[dict[str, Any]] = [
        {"user_query": f"Wish {n} \"' {{}} \\ é", "required_skills": [f"a,{n}", '"b"'][: n % 3]}
        | ({"max_budget": f"{n}.5"} if n % 2 else {})
        for n in range(MANY)
    ]
    with counted(task) as statements:
        made = await at_once(market, account, asked)
    assert len(statements) == 1 + 1 + 1, "the first, a heavy one, and all others"
    for one, task_ in zip(asked, made, strict=True):
        assert task_.user_query == one["user_query"]
        assert task_.required_skills == one["required_skills"]
        assert task_.max_budget == Decimal(one.get("max_budget", DEFAULT))
        assert await system.task(account, task_.id) == task_
        told = await system.event(task_.id, "task.created")
        assert told.headers["ce-account"] == account
        assert told.body["userQuery"] == one["user_query"]
        assert told.body["requiredSkills"] == one["required_skills"]
    listed = (await system.ask(LIST_TASKS, account, limit=100)).tasks
    assert {one.id for one in listed} >= {one.id for one in made}
    causes = [system.events(one.id)[0].headers["ce-causationid"] for one in made]
    assert len({*causes}) == MANY, "each follows from its own request"


async def test_one_that_is_refused_does_not_spoil_the_others(market: tuple[System, Service]):
    system, _ = market
    account, other = await system.account(), await system.account()
    taken = await system.new_task(other)
    mine = await system.new_task(account, user_query="mine")
    twice = f"twice-{new_id()[:8]}"
    asked: list[dict[str, Any]] = [{"user_query": f"Wish {n}"} for n in range(MANY)]
    asked[3] = {"task_id": taken.id}
    asked[5] = {"user_query": "half a text\x00"}
    asked[7] = {"task_id": mine.id, "user_query": "mine"}
    asked[9] = asked[11] = {"task_id": twice, "user_query": "once"}
    asked[13] = {"task_id": twice, "user_query": "something else"}
    made = await at_once(market, account, asked)
    assert isinstance(made[3], Conflict)
    assert isinstance(made[5], Invalid)
    assert made[7] == mine
    # Whoever of those with the same id was the first, it is one task.
    kept = (await system.task(account, twice)).user_query
    for place in (9, 11, 13):
        if asked[place]["user_query"] == kept:
            assert made[place].id == twice
        else:
            assert isinstance(made[place], Conflict)
    others = [n for n in range(MANY) if n not in (3, 5, 7, 9, 11, 13)]
    for n in others:
        assert made[n].user_query == asked[n]["user_query"]
        await system.event(made[n].id, "task.created")
    await system.event(twice, "task.created")
    for id_ in (twice, mine.id, *(made[n].id for n in others)):
        assert len(system.events(id_, "task.created")) == 1
