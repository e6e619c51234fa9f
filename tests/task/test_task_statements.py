"""What a call costs the database: a number of statements that does not grow with history."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import event

from tests.conftest import Stack, running
from tests.task.plans import spec, start
from tests.task.scripted_agent import accepts, refuses, says
from tests.task.services import payment_service, registry_service, task_service
from tests.task.system import System, listening

OURS = ("task.tasks", "task.steps", "task.negotiations", "INSERT INTO task.task_outbox")


@pytest.fixture(scope="module")
async def counted(stack: Stack) -> AsyncIterator[tuple[System, list[str]]]:
    """The services, with nothing but requests to work on, and the statements that ran."""
    statements: list[str] = []
    payment, task = (
        payment_service(stack),
        task_service(stack, sweep_s=3600, lease_s=10_000, reconcile_s=86_400),
    )

    @event.listens_for(task.database.engine.sync_engine, "before_cursor_execute")
    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if any(table in statement for table in OURS):
            statements.append(" ".join(statement.split()))

    async with (
        running(registry_service(stack), payment, task),
        listening(stack, payment) as system,
    ):
        yield system, statements


async def test_a_call_without_a_task(counted: tuple[System, list[str]]):
    system, statements = counted
    account = await system.account()
    async with system.agent() as (agent_id, _):
        for _round in range(3):
            statements.clear()
            await system.invoke(account, agent_id)
            # Task, step, messages; then task locked, step ended, task updated, messages.
            assert len(statements) == 3 + 4, statements


async def test_a_call_within_a_task(counted: tuple[System, list[str]]):
    system, statements = counted
    account = await system.account()
    task = await system.new_task(account)
    async with system.agent() as (agent_id, _):
        for _round in range(3):
            statements.clear()
            await system.invoke(account, agent_id, task_id=task.id)
            # Task locked and updated, step, messages; then as above.
            assert len(statements) == 4 + 4, statements


async def test_a_call_that_fails(counted: tuple[System, list[str]]):
    system, statements = counted
    account = await system.account()
    async with system.agent(says("no", 500)) as (agent_id, _):
        statements.clear()
        await system.refusal(account, agent_id)
    assert len(statements) == 3 + 4, statements


async def test_a_planned_step(counted: tuple[System, list[str]], task_id: str):
    system, statements = counted
    account = await system.account()
    ids = [f"{task_id}-{n}" for n in range(4)]
    async with system.agent() as (agent_id, _):
        chain = [spec(id_, agent_id, depends_on=ids[:n][-1:]) for n, id_ in enumerate(ids)]
        statements.clear()
        await system.order(account, start(task_id, *chain))
        await system.event(task_id, "step.completed", count=len(ids))
        await system.step_is(account, task_id, ids[-1], "completed")
    work = [one for one in statements if not one.startswith("SELECT") or "FOR UPDATE" in one]
    # The order: task, steps, task, messages. Each step: claimed; task locked, step begun,
    # messages; task locked, step ended, task updated, messages, dependents told. The first
    # updates the task when it starts.
    assert len(work) == 4 + len(ids) * 9 + 1, work


async def test_a_negotiation(counted: tuple[System, list[str]]):
    system, statements = counted
    account = await system.account()
    async with system.haggler(haggles=[refuses(), refuses(), accepts()]) as (agent_id, _):
        statements.clear()
        await system.negotiate(account, agent_id, negotiation_id=f"n-{agent_id}")
        # Looked for and stored; each round recorded; messages.
        assert len(statements) == 2 + 3 + 1, statements
        statements.clear()
        await system.negotiate(account, agent_id, negotiation_id=f"n-{agent_id}")
        assert len(statements) == 1


async def test_a_step_with_an_agreed_price(counted: tuple[System, list[str]], task_id: str):
    system, statements = counted
    account = await system.account()
    async with system.haggler(haggles=[accepts()]) as (agent_id, _):
        found = await system.negotiate(account, agent_id, task_id=task_id)
        step = spec(task_id, agent_id, negotiation_id=found.negotiation_id)
        statements.clear()
        await system.order(account, start(task_id, step))
        await system.event(task_id, "step.completed")
    # As a planned step; and the agreement looked at and given to it.
    work = [one for one in statements if not one.startswith("SELECT") or "FOR UPDATE" in one]
    assert len(work) == 4 + 9 + 1 + 2, work


async def test_lists_ask_once(counted: tuple[System, list[str]]):
    system, statements = counted
    account = await system.account()
    async with system.agent() as (agent_id, _):
        reply = await system.invoke(account, agent_id)
    statements.clear()
    await system.task(account, reply.task_id)
    assert len(statements) == 1
    await system.steps(account, reply.task_id)
    assert len(statements) == 1 + 2
