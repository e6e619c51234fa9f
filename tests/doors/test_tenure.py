"""What is open at a door ends with its credential: in words, and what was begun is paid."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import openai
import pytest
from a2a.types import SubscribeToTaskRequest
from a2a.utils.errors import A2AError

from gateway import remembering
from tests.complaints.system import Marketplace, Person
from tests.complaints.test_sessions import session
from tests.doors import a2a_clients, mcp_clients, openai_client
from tests.doors.a2a_clients import WIRES
from tests.doors.test_agui import Run, asks, telling
from tests.gateway.credentials import keytool_says, make_key
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, waits_for

SECRET = "what the agent says in the end"
NO_MORE = "The credential of this stream no longer lets it be read."


async def a2a(person: Person, agent: str, version: str, binding: str) -> tuple[str, str]:
    """What a stream showed of a call, and how it ended."""
    client = await a2a_clients.client_of(person, version=version, binding=binding, streaming=True)
    return await _read(client.send_message(a2a_clients.call(agent)))


async def a2a_subscribed(person: Person, agent: str) -> tuple[str, str]:
    client = await a2a_clients.client_of(person, streaming=True)
    task = await a2a_clients.sent(
        await a2a_clients.client_of(person), a2a_clients.call(agent, now=True)
    )
    return await _read(client.subscribe(SubscribeToTaskRequest(id=task.id)))


async def _read(events: Any) -> tuple[str, str]:
    shown = ""
    try:
        async for event in events:
            shown += str(event)
    except A2AError as error:
        return shown, str(error)
    return shown, ""


async def agui(person: Person, wish: str) -> tuple[str, str]:
    run = Run()
    async for _ in telling(person, asks(wish), run):
        pass
    assert run.kinds[-1] == "RUN_ERROR"
    assert run.events[-1].code == "401"
    return "".join(run.frames[:-1]), run.events[-1].message


async def completion(person: Person, model: str, text: str) -> tuple[str, str]:
    shown = ""
    try:
        messages: Any = [{"role": "user", "content": text}]
        client = openai_client.client_of(person).chat.completions
        async for chunk in await client.create(model=model, messages=messages, stream=True):
            shown += str(chunk)
    except openai.APIError as error:
        return shown, f"{error.code}: {error.message}"
    return shown, ""


async def tool(person: Person, agent: str, mode: str) -> tuple[str, str]:
    shown = list[str]()

    async def told(progress: float, total: float | None, message: str | None) -> None:
        shown.append(f"{progress} {total} {message}")

    async with mcp_clients.client_of(person, mode=mode) as client:
        arguments = {"agentId": agent, "payload": {"text": "hello"}}
        result = await client.call_tool("invoke_agent", arguments, progress_callback=told)
    assert result.is_error
    assert dict(result.meta or {})["agentbazaar/problem"]["status"] == 401
    return "".join(shown), mcp_clients.words_of(result)


async def test_what_is_open_ends_with_its_credential_and_what_is_under_way_is_paid(
    market: Marketplace, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "REMEMBERED_S", 0.05)
    key = await make_key(market.stack.nats_url, alice.account)
    lost = Person(alice.account, *[await market.client(url, key) for url in market.urls])
    buyer, id_ = await session(market, alice)
    skill, gate = f"tenure{alice.account[-6:]}", asyncio.Event()
    work = waits_for(gate, answers(SECRET, cost="0.1"))
    async with market.agent(work, price="0.1", skills=[skill]) as (agent, does):
        # All have to be open at once, which on a busy machine takes long.
        await market.system.rows("UPDATE registry.agents SET limit_s = 60 WHERE id = $1", agent)
        wish = f"Please {skill}: the sea"
        opened: dict[str, Awaitable[tuple[str, str]]] = {
            **{" ".join(wire): a2a(lost, agent, *wire) for wire in WIRES},
            "A2A, subscribed": a2a_subscribed(lost, agent),
            "AG-UI": agui(lost, wish),
            "OpenAI, HubChat": completion(lost, "hubchat", wish),
            "OpenAI, an agent": completion(lost, agent, "hello"),
            "OpenAI, a session": completion(buyer, agent, "hello"),
            "MCP": tool(lost, agent, "auto"),
            "MCP of before": tool(lost, agent, "legacy"),
            "MCP, a session": tool(buyer, agent, "auto"),
        }
        reading = [asyncio.ensure_future(one) for one in opened.values()]
        try:
            await does.called(len(opened))
            assert not any(one.done() for one in reading)
            await keytool_says(market.stack.nats_url, "revoke", key.split("_")[1])
            assert (await alice.first.delete(f"/api/sessions/{id_}")).status_code == 200
            ended = dict(zip(opened, await asyncio.gather(*reading), strict=True))
        finally:
            gate.set()
        assert {door: words for door, (_, words) in ended.items() if NO_MORE not in words} == {}
        assert not any(SECRET in shown for shown, _ in ended.values())

        async def done() -> list[Any]:
            tasks = await alice.get("/api/tasks", limit=100)
            return tasks if all(task["status"] == "completed" for task in tasks) else []

        tasks = await eventually(done)
    assert tasks is not None
    assert len(tasks) == len(does.calls) == len(opened)
    cost = sum(task["totalCost"] for task in tasks)
    assert cost >= 0.1 * len(opened)
    assert (await alice.wallet())["posted"] == pytest.approx(100 - cost)
