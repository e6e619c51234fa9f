import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, text

from chassis.bus.envelopes import origin
from chassis.db.database import Database
from chassis.db.groups import GroupCommit
from contracts.registry import REGISTER_AGENT, AgentView
from contracts.task import FailureReason
from contracts.topology import REGISTRY_STEP_FAILED
from registry_svc import agents_http, store, store_probes
from registry_svc.handlers import probes, steps
from tests.registry.helpers import (
    NOWHERE,
    Client,
    Replica,
    asking,
    database,
    due,
    failed,
    listen,
    registered,
    set_all,
    set_due,
)
from tests.registry.little_agent import INFO, LittleAgent
from tests.support.polling import eventually
from tests.support.stack import Stack

NEVER_AGAIN = timedelta(hours=1).total_seconds()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy is no agent that gives no answer: who fails is due again at once."""
    monkeypatch.setattr(agents_http, "PROBE_TIMEOUT_S", 60.0)


async def seen(client: Client, agent_id: str, **wanted: Any) -> AgentView:
    """The agent, once it is seen with these values."""

    async def asked() -> AgentView | None:
        view = await client.agent(agent_id)
        return view if all(getattr(view, name) == value for name, value in wanted.items()) else None

    found = await eventually(asked)
    assert found is not None
    return found


async def test_an_agent_that_is_up_is_available_as_soon_as_the_registry_is(
    replica: Replica, client: Client
) -> None:
    async with (
        LittleAgent(load=40, info=INFO) as agent,
        replica(translator_url=agent.url, probe_every_s=NEVER_AGAIN),
    ):
        translator = await client.agent("translator")
        assert translator.availability
        assert translator.load == 4
        assert translator.dynamic_price == Decimal("0.10")  # What it says of itself raises none.
        assert translator.input_schema == INFO["input_schema"]
        assert translator.negotiable
        assert translator.name == "Translator Agent"  # Its own word changes no listing.
        assert not (await client.agent("search")).availability


async def test_what_health_says_of_negotiating_goes_before_info(
    replica: Replica, client: Client
) -> None:
    async with LittleAgent(info=INFO | {"negotiable": False}) as agent:
        agent.answers["/health"] = {"status": "healthy", "negotiable": True}
        async with replica(search_url=agent.url):
            await seen(client, "search", availability=True, negotiable=True)
            agent.answers["/health"] = {"status": "healthy", "negotiable": False}
            await seen(client, "search", negotiable=False)
            agent.answers["/health"] = {"status": "healthy", "negotiable": "maybe"}
            before = agent.calls["/health"]

            async def asked_twice() -> bool:
                return agent.calls["/health"] > before + 1

            await eventually(asked_twice)
            assert not (await client.agent("search")).negotiable


async def test_an_agent_that_goes_and_comes_back_is_followed(
    replica: Replica, client: Client
) -> None:
    async with LittleAgent(load=40, info=INFO) as agent, replica(search_url=agent.url):
        await seen(client, "search", availability=True, load=4)
        await agent.stop()
        gone = await seen(client, "search", availability=False)
        assert gone.load == 0
        assert gone.dynamic_price == gone.base_price
        agent.answers["/info"] = INFO | {"negotiable": False, "input_schema": {"type": "object"}}
        await agent.start()
        await seen(client, "search", availability=True, load=4, negotiable=False)
        assert (await client.agent("search")).input_schema == {"type": "object"}

        events = await eventually(lambda: client.several("availability_changed.search", 3))
        assert [event.body["availability"] for event in events] == [True, False, True]


async def test_what_is_no_answer_makes_unavailable(
    replica: Replica, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents_http, "PROBE_TIMEOUT_S", 2.0)  # One of them hangs.
    no_answers = {
        "summarizer": 503,
        "translator": 404,
        "search": 302,
        "mock_busy": None,
        "mock_highprice": b"x" * 70_000,
    }
    async with AsyncExitStack() as up:
        agents = {name: await up.enter_async_context(LittleAgent()) for name in no_answers}
        await up.enter_async_context(
            replica(**{f"{name}_url": agent.url for name, agent in agents.items()})
        )
        for name in no_answers:
            await seen(client, name, availability=True)
        for name, answer in no_answers.items():
            agents[name].answers["/health"] = answer
        for name in no_answers:
            await seen(client, name, availability=False)


@pytest.mark.parametrize(
    ("health", "load"),
    [
        ({"status": "degraded", "load": 100}, 10),
        ({"load": 84.6}, 9),
        ({"load": 250}, 10),
        ({"load": -1}, 0),
        ({"load": "high"}, 0),
        ({"load": True}, 0),
        ([], 0),
        (b"ok", 0),
        (b'{"load": NaN}', 0),
        (b"\xff\xfe", 0),
    ],
    ids=str,
)
async def test_any_success_is_an_answer_and_a_load_only_when_it_is_one(
    health: Any, load: int
) -> None:
    async with LittleAgent() as agent, asking() as http:
        agent.answers["/health"] = health
        percent = (await agents_http.ask_health(http, agent.url)).load
        assert (percent is None) == (load == 0)
        assert percent is None or (percent + 5) // 10 == load


async def test_one_failed_probe_is_forgiven(db: Database) -> None:
    async with LittleAgent(load=40) as agent, asking() as http:
        await registered(db, agent)
        for health, available in (
            ({"load": 40}, True),
            (500, True),
            ({"load": 40}, True),
            (500, True),
            (500, False),
            (500, False),
            ({"load": 40}, True),
        ):
            agent.answers["/health"] = health
            await due(db)
            await probes.probe_due(db, http, NEVER_AGAIN)
            async with db.transaction() as tx:
                found = await store.find(tx.conn, "haiku")
            assert found is not None
            assert found.available == available
            assert found.reported_load == (40 if available else None)


async def test_replicas_take_turns(db: Database, stack: Stack) -> None:
    other = database(stack)
    async with LittleAgent() as agent, asking() as http:
        for number in range(40):
            await registered(db, agent, f"haiku-{number}")
        await set_all(db, available=True, failing_since=None)
        await asyncio.gather(
            probes.probe_due(db, http, NEVER_AGAIN), probes.probe_due(other, http, NEVER_AGAIN)
        )
        assert agent.calls["/health"] == 40
    await other.engine.dispose()


async def test_probes_are_bounded(db: Database) -> None:
    busy = most = 0

    async def slow() -> dict[str, str]:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.01)
        busy -= 1
        return {"status": "healthy"}

    async with LittleAgent() as agent, asking() as http:
        agent.answers["/health"] = slow
        for number in range(60):
            await registered(db, agent, f"haiku-{number}")
        await set_all(db, available=True, failing_since=None)
        await probes.probe_due(db, http, NEVER_AGAIN)
        assert agent.calls["/health"] == 60
        assert 1 < most <= probes.AT_ONCE


async def test_an_agent_that_is_due_while_it_is_asked_is_not_asked_twice_at_once(
    db: Database,
) -> None:
    calls: Counter[int] = Counter()
    at_once: Counter[int] = Counter()
    most = 0
    all_due, second_round = asyncio.Event(), asyncio.Event()

    async def asked(number: int) -> int:
        nonlocal most
        calls[number] += 1
        at_once[number] += 1
        most = max(most, at_once[number])
        if calls.total() == probes.AT_ONCE:
            # The slow one first; the last agent still waits to be asked at all.
            place = "SELECT seq FROM registry.agents WHERE id = agent_id"
            await set_due(db, text(f"now() - make_interval(secs => 100 - ({place}))"))
            all_due.set()
        if calls.total() > probes.AT_ONCE + 1:
            second_round.set()
        await (all_due if number else second_round).wait()
        at_once[number] -= 1
        return 503

    async with LittleAgent() as agent, asking() as http:
        for number in range(probes.AT_ONCE + 1):
            path = f"/{number}"
            agent.answers[f"{path}/health"] = partial(asked, number)
            await registered(db, agent, f"haiku-{number}", path)
        await probes.probe_due(db, http, NEVER_AGAIN)
    assert second_round.is_set()
    assert most == 1


async def test_an_agent_is_probed_sooner_while_it_fails_and_never_later_than_usual(
    db: Database,
) -> None:
    async with LittleAgent() as agent, asking() as http:
        await registered(db, agent)
        waits = []
        for failing_for in (0, 8, 24, 4000):
            since = func.now() - timedelta(seconds=failing_for)
            await set_all(db, failing_since=since)
            await due(db)
            async with db.transaction() as tx:
                await store_probes.claim_due(tx.conn, timedelta(seconds=5), 1)
                waits.append(await wait(tx.conn))
        assert waits == [0.5, 1.0, 3.0, 5.0]
        await due(db)
        await probes.probe_due(db, http, 5)
        await due(db)
        async with db.transaction() as tx:
            await store_probes.claim_due(tx.conn, timedelta(seconds=5), 1)
            assert await wait(tx.conn) == 5.0


async def wait(conn: Any) -> float:
    """Seconds from a claim in this transaction to the next probe."""
    found = await conn.exec_driver_sql("SELECT due_at - now() FROM agent_probes")
    return float(round(found.scalar_one().total_seconds(), 1))


@pytest.mark.parametrize(
    ("reason", "at_once"),
    [("agent_unreachable", True), ("agent_too_slow", True), ("agent_error", False)],
)
async def test_an_agent_that_a_call_did_not_reach_is_probed_at_once(
    db: Database, reason: FailureReason, at_once: bool
) -> None:
    async with LittleAgent() as agent, asking() as http:
        await registered(db, agent)
        await probes.probe_due(db, http, NEVER_AGAIN)
        tallies = GroupCommit(db, steps.count)
        here = origin("task", "step.failed", "ann")
        await steps.on_step_failed(failed("haiku", reason), tallies, REGISTRY_STEP_FAILED, here)
        await probes.probe_due(db, http, NEVER_AGAIN)
        assert agent.calls["/health"] == 1 + at_once


async def test_a_probe_that_finds_nothing_new_writes_nothing_but_its_claim(db: Database) -> None:
    async with LittleAgent(load=40, info=INFO) as agent, asking() as http:
        await registered(db, agent)
        await probes.probe_due(db, http, NEVER_AGAIN)
        await due(db)
        statements: list[str] = []
        listen(db, statements)
        await probes.probe_due(db, http, NEVER_AGAIN)
        assert agent.calls["/health"] == 2
        assert agent.calls["/info"] == 1
        claim, nothing_more = statements
        assert claim == nothing_more
        assert "SKIP LOCKED" in claim


async def test_an_agent_that_moves_is_followed_to_its_new_address(
    replica: Replica, client: Client
) -> None:
    async with LittleAgent(load=40) as old, LittleAgent(load=90) as new, replica():
        haiku = {"id": "haiku", "name": "H", "description": "", "skills": ["haiku"]}
        await client.ask(REGISTER_AGENT, **haiku, base_price="1", endpoint_url=old.url)
        await seen(client, "haiku", load=4, availability=True)
        await client.ask(REGISTER_AGENT, **haiku, base_price="1", endpoint_url=new.url)
        await seen(client, "haiku", load=9, dynamic_price=Decimal(1))


async def test_an_agent_that_moved_while_it_was_asked_is_not_judged_by_its_old_address(
    db: Database,
) -> None:
    async def moved() -> dict[str, int]:
        await set_all(db, endpoint_url=NOWHERE)
        return {"load": 40}

    async with LittleAgent() as agent, asking() as http:
        await registered(db, agent)
        agent.answers["/health"] = moved
        await probes.probe_due(db, http, NEVER_AGAIN)
    async with db.transaction() as tx:
        found = await store.find(tx.conn, "haiku")
    assert found is not None
    assert (found.available, found.reported_load) == (False, None)
