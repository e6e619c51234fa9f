"""What a call costs the database and the bus: numbers that do not grow with history."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from nats.aio.client import Client
from sqlalchemy import event

from chassis.bus.envelopes import new_id
from contracts.quotes import ASK_QUOTE
from task_svc import quotes
from tests.support.polling import eventually
from tests.support.scripted_agent import accepts, refuses, says
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening
from tests.task.plans import spec, start

OURS = ("task.tasks", "task.steps", "task.negotiations", "INSERT INTO task.task_outbox")


class Counted(NamedTuple):
    """The services, the statements that ran, and where messages went."""

    system: System
    statements: list[str]
    sent: list[str]


@pytest.fixture(scope="module")
async def all_counted(stack: Stack) -> AsyncIterator[Counted]:
    """The services, with nothing but requests to work on."""
    statements: list[str] = []
    sent: list[str] = []
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
        for service in (payment, task):
            count(await service.broker.connect(), sent)
        yield Counted(system, statements, sent)


def count(client: Client, sent: list[str]) -> None:
    """Note where a service's messages go, apart from its questions for more and signs of life."""
    sound = client.publish

    async def publish(subject: str, payload: bytes = b"", *args: Any, **kwargs: Any) -> None:
        alive = subject.startswith("bazaar.changed.") and json.loads(payload)["accounts"] == []
        if not alive and not subject.startswith("$JS.API."):
            sent.append(subject)
        await sound(subject, payload, *args, **kwargs)

    client.publish = publish  # type: ignore[method-assign]  # to count


@pytest.fixture
def counted(all_counted: Counted) -> tuple[System, list[str]]:
    """The services, and the statements that ran."""
    return all_counted.system, all_counted.statements


async def test_a_call_sends_a_message_for_each_thing_that_happens(all_counted: Counted):
    system, _, sent = all_counted
    account = await system.account()

    async def call(agent_id: str) -> None:
        """A call, with all that comes of it."""
        sent.clear()
        reply = await system.invoke(account, agent_id)
        await system.event(reply.task_id, "payment.recorded")

        async def acknowledged() -> bool:
            """The end of the step, and of the task, of which webhooks may be told."""
            return sum(subject.startswith("$JS.ACK.") for subject in sent) > 1

        await eventually(acknowledged)

    async with system.agent() as (agent_id, _):
        await call(agent_id)  # Its price is known now.
        await call(agent_id)
    kinds = Counter(".".join(subject.split(".")[1:4]) for subject in sent if "bazaar" in subject)
    kinds.pop("rpc.registry.get_agent", None)  # It is asked again after two seconds.
    hints = [kinds.pop(f"changed.{context}") for context in ("task", "payment")]
    assert max(hints) <= 3
    assert kinds == {
        "rpc.payment.place_hold": 1,
        "evt.task.created": 1,
        "evt.task.started": 1,
        "evt.step.started": 1,
        "evt.hold.placed": 1,
        "evt.step.completed": 1,
        "evt.task.completed": 1,
        "evt.payment.recorded": 1,
    }
    replies = [subject for subject in sent if subject.startswith("_INBOX")]
    acks = [subject for subject in sent if subject.startswith("$JS.ACK.")]
    assert (len(replies), len(acks)) == (2, 2)


async def test_a_call_without_a_task(counted: tuple[System, list[str]]):
    system, statements = counted
    account = await system.account()
    async with system.agent() as (agent_id, _):
        for _round in range(3):
            statements.clear()
            await system.invoke(account, agent_id)
            # Task, step, messages; then step and task ended, messages.
            assert len(statements) == 1 + 1, statements


async def test_a_call_by_a_quote_costs_no_more_than_one_without(all_counted: Counted):
    system, statements, sent = all_counted
    account = await system.account()
    async with system.agent() as (agent_id, _):
        statements.clear()
        quote = await system.ask(ASK_QUOTE, account, agent_id=agent_id)
        assert statements == [], "a quote is not stored"
        for _round in range(3):
            statements.clear()
            sent.clear()
            reply = await system.invoke(account, agent_id, quote_id=quote.quote_id)
            assert len(statements) == 1 + 1, statements
            await system.event(reply.task_id, "payment.recorded")
            assert sum(subject.startswith("bazaar.rpc.") for subject in sent) <= 2, sent


async def test_a_call_within_a_task(counted: tuple[System, list[str]]):
    system, statements = counted
    account = await system.account()
    task = await system.new_task(account)
    async with system.agent() as (agent_id, _):
        for _round in range(3):
            statements.clear()
            await system.invoke(account, agent_id, task_id=task.id)
            # As above: the task is taken up anew.
            assert len(statements) == 1 + 1, statements


async def test_a_call_that_fails(counted: tuple[System, list[str]]):
    system, statements = counted
    account = await system.account()
    async with system.agent(says("no", 500)) as (agent_id, _):
        statements.clear()
        await system.refusal(account, agent_id)
    assert len(statements) == 1 + 1, statements


async def test_a_planned_step(counted: tuple[System, list[str]], monkeypatch: pytest.MonkeyPatch):
    system, statements = counted
    monkeypatch.setattr(quotes, "FRESH_S", 3_600.0)
    account = await system.account()
    rounds = list[list[str]]()
    async with system.agent() as (agent_id, _):
        for _again in range(3):
            task_id = new_id()
            ids = [f"{task_id}-{n}" for n in range(4)]
            chain = [spec(id_, agent_id, depends_on=ids[:n][-1:]) for n, id_ in enumerate(ids)]
            statements.clear()
            await system.order(account, start(task_id, *chain))
            await system.event(task_id, "step.completed", count=len(ids))
            await system.step_is(account, task_id, ids[-1], "completed")
            rounds.append(
                [one for one in statements if not one.startswith("SELECT") or "FOR UPDATE" in one]
            )
    # The order: task, each step, the first of them begun, task, messages. The end of each step:
    # task locked, step ended, task updated, dependents told, messages; and the next one begun.
    # The first round begins its first step by itself, as it has to ask for the price.
    fewest = min(rounds, key=len)
    assert len(fewest) == 1 + len(ids) + 2 + len(ids) * 5 + len(ids) - 1, fewest


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
    # The order: task, step, task, messages. It is begun by itself, for the agreement has to be
    # looked at and given to it: task locked, step, task, messages. Its end as of any planned step.
    work = [one for one in statements if not one.startswith("SELECT") or "FOR UPDATE" in one]
    assert len(work) == 4 + 4 + 2 + 5, work


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
