import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import pairwise

import pytest

from chassis.bus.envelopes import origin
from chassis.db.database import Database
from chassis.db.groups import GroupCommit
from contracts.base import Event
from contracts.registry import AgentView
from contracts.task_events import StepStarted
from contracts.topology import REGISTRY_STEP_STARTED
from registry_svc import store
from registry_svc.handlers import steps
from tests.registry.helpers import (
    Client,
    Replica,
    completed,
    failed,
    listen,
    registered,
    set_all,
    started,
)
from tests.registry.little_agent import LittleAgent
from tests.support.polling import eventually

ID = "translator"


async def after(client: Client) -> AgentView:
    """The translator, after the registry has handled all events."""
    await eventually(client.handled)
    return await client.agent(ID)


async def test_steps_move_load_jobs_time_and_rating(replica: Replica, client: Client) -> None:
    async with replica():
        await client.publish(*(started(ID, f"s{n}") for n in range(5)))
        busy = await after(client)
        assert (busy.load, busy.jobs_completed) == (5, 0)
        assert busy.dynamic_price == Decimal("0.115")
        await client.publish(completed(ID, "s0", ms=100), completed(ID, "s1", ms=201))
        await client.publish(failed(ID, "agent_busy", "s2"), failed(ID, "not_covered", "s3"))
        done = await after(client)
        assert (done.load, done.jobs_completed, done.avg_response_time) == (1, 2, 150)
        assert done.dynamic_price == done.base_price
        assert Decimal("4.48") <= done.rating < Decimal("4.55")
        await client.publish(failed(ID, "agent_error", "s4"))
        worse = await after(client)
        assert worse.load == 0
        assert worse.rating < done.rating
        assert (await client.agent("search")).rating == Decimal("4.50")


async def test_a_repeated_message_counts_once(replica: Replica, client: Client) -> None:
    async with replica(), replica():
        for _ in range(3):
            await client.publish(started(ID), id_="start-1")
            await client.publish(completed(ID), id_="done-1")
        await client.publish(started(ID, "s2"), id_="start-2")
        agent = await after(client)
        assert (agent.load, agent.jobs_completed) == (1, 1)


async def test_the_order_of_events_does_not_matter(replica: Replica, client: Client) -> None:
    events: list[Event] = []
    for number in range(30):
        step = f"s{number}"
        end: Event = completed(ID, step, ms=10) if number % 3 else failed(ID, "agent_error", step)
        events += [started(ID, step), end]
    random.Random(7).shuffle(events)
    async with replica(), replica():
        await client.publish(*events)
        agent = await after(client)
        assert (agent.load, agent.jobs_completed, agent.avg_response_time) == (0, 20, 10)


async def test_an_end_before_its_start_shows_no_negative_load(
    replica: Replica, client: Client
) -> None:
    async with replica():
        await client.publish(completed(ID))
        assert (await after(client)).load == 0
        await client.publish(started(ID), started(ID, "s2"))
        assert (await after(client)).load == 1


async def test_a_step_that_fails_before_it_starts_leaves_its_agent_alone(
    replica: Replica, client: Client
) -> None:
    async with replica():
        await client.publish(started(ID), failed(ID, "cancelled", "s2", started=False))
        agent = await after(client)
        assert (agent.load, agent.rating) == (1, Decimal("4.50"))


async def test_events_about_unknown_agents_are_settled_and_forgotten(
    replica: Replica, client: Client
) -> None:
    async with replica():
        await client.publish(started("nobody"), completed("nobody"), failed("nobody", "agent_busy"))
        await client.publish(started(ID))
        assert (await after(client)).load == 1
        assert await client.dead_letters() == 0


async def test_a_price_is_announced_when_it_moves_and_only_then(
    replica: Replica, client: Client
) -> None:
    async with replica():
        for moment in [started(ID, f"s{n}") for n in range(8)] + [
            completed(ID, f"s{n}") for n in range(8)
        ]:
            await client.publish(moment)
            await eventually(client.handled)
        events = await eventually(lambda: client.several("repriced.*", 2))
        told = [(e.body["load"], Decimal(e.body["dynamicPrice"])) for e in events]
        # Events that come together are counted together, so a price may be passed over.
        assert {price for _, price in told} >= {Decimal("0.10"), Decimal("0.13")}
        assert all(load != after for (_, load), (_, after) in pairwise(told))
        assert told[-1] == (3, Decimal("0.10")) or told[-1] == (0, Decimal("0.10"))


async def test_an_announced_price_reads_well_and_says_who_caused_it(
    replica: Replica, client: Client
) -> None:
    async with LittleAgent(load=30) as agent, replica(translator_url=agent.url):
        await client.publish(*(started(ID, f"s{n}") for n in range(4)))
        (told,) = await eventually(lambda: client.published("repriced.*"))
    assert told.subject == "bazaar.evt.agent.repriced.translator"
    assert told.body == {
        "agentId": "translator",
        "load": 4,
        "basePrice": "0.100000",
        "dynamicPrice": "0.115000",
    }
    headers = told.headers
    assert headers["ce-type"] == "agent.repriced.v1"
    assert headers["ce-source"] == "registry"
    assert headers["ce-subject"] == "translator"
    assert headers["ce-account"] == "demo"
    assert headers["ce-id"] == headers["Nats-Msg-Id"]
    assert headers["ce-correlationid"] == headers["ce-causationid"]  # A hand-made cause is its own.
    assert headers["content-type"] == "application/json"
    assert headers["traceparent"].startswith("00-")


@pytest.mark.parametrize(
    ("handler", "event", "statements"),
    [
        (steps.on_step_started, started(ID), 3),
        (steps.on_step_completed, completed(ID), 4),
        (steps.on_step_failed, failed(ID, "agent_error"), 4),
        (steps.on_step_failed, failed(ID, "cancelled", started=False), 0),
    ],
    ids=["started", "completed", "failed", "never started"],
)
async def test_statements_per_event_are_a_small_constant(
    db: Database, handler: Callable[..., Awaitable[None]], event: Event, statements: int
) -> None:
    """At the edge of a price band, where an event is sent too."""
    async with LittleAgent() as agent:
        await registered(db, agent, ID)
    await set_all(db, active=3 if isinstance(event, StepStarted) else 4)
    executed: list[str] = []
    listen(db, executed)
    cause = origin("task", event.type)
    await handler(event, GroupCommit(db, steps.count), REGISTRY_STEP_STARTED, cause)
    assert len(executed) == statements
    executed.clear()
    await handler(event, GroupCommit(db, steps.count), REGISTRY_STEP_STARTED, cause)
    assert len(executed) == min(statements, 1)


async def test_events_that_come_together_share_their_statements(db: Database) -> None:
    async with LittleAgent() as agent:
        for agent_id in ("haiku", "limerick"):
            await registered(db, agent, agent_id)
    executed: list[str] = []
    listen(db, executed)
    tallies = GroupCommit(db, steps.count)
    repeated = origin("task", "step.started")
    causes = [origin("task", "step.started") for _ in range(18)] + [repeated, repeated]
    await asyncio.gather(
        *(
            steps.on_step_started(
                started("limerick" if n % 4 else "haiku"), tallies, REGISTRY_STEP_STARTED, cause
            )
            for n, cause in enumerate(causes)
        )
    )
    async with db.transaction() as tx:
        found = {agent.id: agent.active for agent in await store.page(tx.conn, 0, 10)}
    assert found == {"haiku": 5, "limerick": 14}
    inbox, haiku, limerick, outbox, _ = executed
    assert "inbox" in inbox
    assert "outbox" in outbox
    assert haiku == limerick


async def test_many_steps_at_once_over_two_replicas_add_up(
    replica: Replica, client: Client
) -> None:
    async with replica(), replica():
        for batch in range(4):
            await asyncio.gather(
                *(client.publish(started(ID, f"{batch}-{n}")) for n in range(25)),
                *(client.publish(completed(ID, f"{batch}-{n}", ms=40)) for n in range(25)),
            )
        agent = await after(client)
        assert (agent.load, agent.jobs_completed, agent.avg_response_time) == (0, 100, 40)
