"""Agents that work for long: asked after where they said, told of meanwhile, and paid once."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from contracts.credentials import SET_CREDENTIAL
from contracts.errors import Conflict
from task_svc.agents import Agents
from task_svc.answers import AgentFailure
from task_svc.protocols.job import Waiting
from task_svc.settings import Settings
from tests.support.polling import eventually
from tests.support.scripted_agent import Behaviour, ScriptedAgent, answer, answers, is_busy, says
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening
from tests.task.a2a_agent import a2a_agent
from tests.task.jobs import Noted, job
from tests.task.mcp_tools import tools_of
from tests.task.plans import spec, start
from tests.task.replica import replica

LINES = "content-type: application/x-ndjson\r\n"


def takes_on(where: str = "/jobs/7?of=me", **said: Any) -> Behaviour:
    return says(said, 202, f"location: {where}\r\n")


def works_on(percent: int, message: str = "", wait: str = "0") -> Behaviour:
    return says({"percent": percent, "message": message}, 202, f"retry-after: {wait}\r\n")


# --- what an agent of our own protocol may answer


@pytest.fixture
async def agents() -> AsyncIterator[Agents]:
    client = Agents(Settings.model_validate({"agent_hosts": "127.0.0.1", "agent_retry_s": 0.01}))
    yield client
    await client.close()


async def test_an_agent_says_where_to_ask(agents: Agents):
    notes = Noted()
    later = [works_on(10, "Reading."), is_busy(), works_on(80), answers("done", 0.2)]
    async with ScriptedAgent(takes_on(message="Queued."), later=later) as agent:
        found = await agents.execute(job(agent.url, notes=notes))
    assert (found.result, found.cost) == ("done", Decimal("0.2"))
    assert [one.ref for one in notes.kept] == ["/jobs/7?of=me"]
    assert [(one.percent, one.message) for one in notes.told] == [
        (None, "Queued."),
        (10, "Reading."),
        (None, ""),
        (80, ""),
    ]
    assert len(agent.calls) == 1
    assert len(agent.asked) == 4


async def test_an_agent_may_say_it_in_its_body(agents: Agents):
    async with ScriptedAgent(says({"location": "jobs"}, 202)) as agent:
        with pytest.raises(AgentFailure, match="not its own"):
            await agents.execute(job(agent.url))
    async with ScriptedAgent(says({"location": "/jobs/7"}, 202), later=[answers()]) as agent:
        assert (await agents.execute(job(agent.url))).result == "done"


@pytest.mark.parametrize(
    "where",
    [
        "http://169.254.169.254/",
        "http://127.0.0.1:1/jobs",
        "//evil.example/x",
        "https://evil.example/",
        "file:///etc/passwd",
        "/\\evil.example",
        "/" + "x" * 3_000,
    ],
)
async def test_a_place_elsewhere_is_not_asked(agents: Agents, where: str):
    async with ScriptedAgent(takes_on(where), later=[answers()]) as agent:
        with pytest.raises(AgentFailure) as caught:
            await agents.execute(job(agent.url))
    assert caught.value.reason == "agent_error"
    assert not agent.asked


async def test_an_answer_of_202_with_the_work_is_one(agents: Agents):
    async with ScriptedAgent(says(answer(), 202)) as agent:
        assert (await agents.execute(job(agent.url))).result == "done"


LATER: dict[str, tuple[Behaviour, str, str]] = {
    "forgotten": (says({"detail": "?"}, 404), "agent_error", "does not know this work"),
    "failed": (says({"detail": "No disk"}, 500), "agent_error", "status 500: No disk"),
    "payload": (says({"detail": "No text"}, 422), "agent_refused_payload", "No text"),
    "no answer": (says("[]"), "agent_error", "no answer"),
    "works for ever": (works_on(1), "agent_too_slow", "did not finish in time"),
}


@pytest.mark.parametrize("name", LATER)
async def test_what_comes_of_it_later(agents: Agents, name: str):
    behaviour, reason, words = LATER[name]
    async with ScriptedAgent(takes_on(), later=[behaviour]) as agent:
        with pytest.raises(AgentFailure, match=words) as caught:
            await agents.execute(job(agent.url, limit_s=0.7))
    assert caught.value.reason == reason
    assert len(agent.calls) == 1


async def test_long_work_is_put_aside_and_asked_after_again(agents: Agents):
    notes = Noted()
    async with ScriptedAgent(takes_on(), later=[works_on(1, wait="9"), answers("late")]) as agent:
        with pytest.raises(Waiting) as waiting:
            await agents.execute(job(agent.url, notes=notes, limit_s=60, patience_s=1.0))
        assert waiting.value.delay_s == 9
        (operation,) = notes.kept
        found = await agents.execute(job(agent.url, operation=operation, limit_s=60))
    assert found.result == "late"
    assert found.execution_time >= 1
    assert len(agent.calls) == 1


async def test_a_stream_of_lines_is_told_of_and_its_last_is_the_answer(agents: Agents):
    goes_on = asyncio.Event()

    async def streams(_call: Any, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\n{LINES}connection: close\r\n\r\n"
        writer.write(head.encode() + b'{"percent": 20, "message": "Rea')
        await writer.drain()
        writer.write(b'ding."}\n\n')
        await writer.drain()
        await goes_on.wait()
        writer.write(json.dumps(answer("done", 0.3)).encode())  # Without a line's end.
        await writer.drain()

    notes = Noted()
    async with ScriptedAgent(streams) as agent:
        running = asyncio.create_task(agents.execute(job(agent.url, notes=notes, limit_s=60)))
        await eventually(lambda: asyncio.sleep(0, notes.told))
        goes_on.set()
        found = await running
    assert (found.result, found.cost) == ("done", Decimal("0.3"))
    assert [(one.percent, one.message) for one in notes.told] == [(20, "Reading.")]


@pytest.mark.parametrize("body", ["", "\n", '{"percent": 1}\n', "no\n"])
async def test_a_stream_without_an_answer_has_failed(agents: Agents, body: str):
    async with ScriptedAgent(says(body, extra=LINES)) as agent:
        with pytest.raises(AgentFailure) as caught:
            await agents.execute(job(agent.url))
    assert caught.value.reason == "agent_error"


async def test_a_stream_of_an_error_is_that_error(agents: Agents):
    async with ScriptedAgent(says({"detail": "Too short"}, 422, LINES)) as agent:
        with pytest.raises(AgentFailure, match="Too short") as caught:
            await agents.execute(job(agent.url))
    assert caught.value.reason == "agent_refused_payload"


# --- as steps


@pytest.fixture(scope="module")
async def system(stack: Stack) -> AsyncIterator[System]:
    """Registry and payment; the task services are the tests' own."""
    payment = payment_service(stack)
    async with running(registry_service(stack), payment), listening(stack, payment) as system:
        yield system


async def speaks(system: System, agent_id: str, **columns: Any) -> None:
    """Have the registry list an agent with these columns."""
    for name, value in columns.items():
        query = f"UPDATE registry.agents SET {name} = $2 WHERE id = $1"  # noqa: S608  (our own)
        await system.rows(query, agent_id, value)


async def test_a_caller_whose_time_is_over_is_told_and_the_step_goes_on(system: System):
    account, id_ = await system.account(), new_id()
    script = [takes_on(message="Queued."), answers("late", 0.1)]
    done = asyncio.Event()

    async def not_yet(call: Any, writer: Any) -> None:
        await (answers("late", 0.1) if done.is_set() else works_on(40, "Half."))(call, writer)

    service = task_service(system.stack, agent_timeout_s=1)
    async with (
        system.agent(script[0], later=[not_yet]) as (agent_id, agent),
        running(service),
    ):
        await speaks(system, agent_id, limit_s=3600)
        # The caller of a request has 100 s, which a test has not: so its order comes on the bus.
        task_id = f"task-{id_[:10]}"
        await system.order(account, start(task_id, spec(f"{task_id}-1", agent_id, {"text": "hi"})))
        told = await system.event(task_id, "step.progress", count=2)
        assert told.headers["ce-account"] == account
        said = [one.body for one in system.events(task_id, "step.progress")]
        assert [(one["percent"], one["message"]) for one in said] == [
            (None, "Queued."),
            (40, "Half."),
        ]
        query = "SELECT lease_owner, operation FROM task.steps WHERE task_id = $1"

        async def put_aside() -> Any:
            (row,) = await system.rows(query, task_id)
            return row["lease_owner"] is None and row

        row = await eventually(put_aside)
        assert json.loads(row["operation"])["ref"] == "/jobs/7?of=me"
        done.set()
        await system.event(task_id, "step.completed")
        await system.finish(account, task_id)
        await system.ended(account, task_id)
        assert await system.paid(account, task_id) == Decimal("0.1")
    assert len(agent.calls) == 1
    assert len(system.events(task_id, "step.progress")) == 2


@pytest.mark.parametrize("kind", ["native", "a2a"])
async def test_a_killed_replicas_long_step_is_asked_after_by_another(
    system: System, task_id: str, kind: str
):
    """It is not called twice: where to ask was kept."""
    account = await system.account()
    step_id = f"{task_id}-1"
    done = asyncio.Event()

    async def not_yet(call: Any, writer: Any) -> None:
        await (answers("late", 0.1) if done.is_set() else works_on(40))(call, writer)

    async with (
        a2a_agent() as served,
        system.agent(takes_on(), later=[not_yet]) as (agent_id, agent),
    ):
        await speaks(system, agent_id, limit_s=3600, protocol=kind)
        if kind == "a2a":
            await speaks(system, agent_id, endpoint_url=served.url)
        async with replica(system.stack) as doomed:
            work = spec(step_id, agent_id, {"text": "wait and see"})
            await system.order(account, start(task_id, work))

            async def kept() -> Any:
                query = "SELECT operation FROM task.steps WHERE id = $1 AND operation IS NOT NULL"
                return await system.rows(query, step_id)

            await eventually(kept)
            doomed.kill()
        done.set()
        served.agent.go.set()
        async with running(task_service(system.stack)):
            await system.event(task_id, "payment.recorded")
            ended = (await system.event(task_id, "step.completed")).body
            await system.finish(account, task_id)
            await system.ended(account, task_id)
            assert await system.paid(account, task_id) == Decimal("0.1")
    calls = len(agent.calls) if kind == "native" else served.agent.runs[step_id]
    assert (calls, ended["result"]) == (1, "late" if kind == "native" else "and see")
    assert await system.wallet(account) == (Decimal("99.9"), Decimal(0))


async def test_a_tool_is_called_for_a_step_and_paid_its_price(system: System):
    account = await system.account()
    async with tools_of() as tools, system.agent(price="0.25") as (agent_id, _):
        await speaks(system, agent_id, protocol="mcp", tool="shout", endpoint_url=tools.url)
        async with running(task_service(system.stack)):
            reply = await system.invoke(account, agent_id, payload={"text": "olé"})
            assert (reply.result, reply.cost) == ("OLÉ", Decimal("0.25"))
            assert await system.paid(account, reply.task_id) == Decimal("0.25")
            failed = await system.refusal(account, agent_id, payload={})
            assert failed.code == 422
    assert tools.keys == [reply.step_id]
    assert await system.wallet(account) == (Decimal("99.75"), Decimal(0))


async def test_an_a2a_agent_whose_step_is_cancelled_is_told(system: System, task_id: str):
    account = await system.account()
    async with a2a_agent() as served, system.agent() as (agent_id, _):
        await speaks(system, agent_id, protocol="a2a", endpoint_url=served.url, limit_s=60)
        async with running(task_service(system.stack)):
            work = spec(f"{task_id}-1", agent_id, {"text": "wait"})
            await system.order(account, start(task_id, work))
            await asyncio.wait_for(served.agent.begun.wait(), 30)
            await eventually(partial(operation_of, system, f"{task_id}-1"))
            await system.finish(account, task_id, outcome="failed")
            await asyncio.wait_for(served.agent.cancelled.wait(), 30)
    assert await system.wallet(account) == (Decimal(100), Decimal(0))


async def operation_of(system: System, step_id: str) -> object:
    """Where the work of a step can be asked after, once the agent has said so."""
    (row,) = await system.rows("SELECT operation FROM task.steps WHERE id = $1", step_id)
    return row["operation"]


async def test_a_marketplace_without_a_key_keeps_no_credentials(system: System):
    async with system.agent() as (agent_id, _), running(task_service(system.stack)):
        with pytest.raises(Conflict, match="keeps no credentials"):
            await system.ask(
                SET_CREDENTIAL, "demo", agent_id=agent_id, value="Bearer x", as_admin=True
            )
