"""The agents of the marketplace: the six, a new one, and two that can do the same."""

import asyncio

import httpx
import pytest
from nats.js import JetStreamContext

from tests.e2e import books
from tests.e2e.market import Market, new_skill
from tests.support.polling import insist

CHAT, INVOKE = "/api/hubchat/message", "/api/invoke-agent"


@pytest.mark.parametrize(
    ("agent_id", "payload", "cost"),
    [
        ("mock_highprice", {"task": "polish"}, 0.85),
        ("mock_highprice", {"task": "polish", "negotiated_price": 0.5}, 0.5),
        ("mock_negotiator", {"task": "paint"}, 0.6),
        ("mock_negotiator", {"task": "paint", "offered_price": 0.4}, 0.4),
    ],
)
async def test_dear_and_negotiating_agents_can_be_called(
    http: httpx.AsyncClient, agent_id: str, payload: dict[str, object], cost: float
) -> None:
    answer = await http.post(INVOKE, json={"agentId": agent_id, "payload": payload})
    assert answer.status_code == 200, answer.text
    assert answer.json()["cost"] == cost
    assert str(payload["task"]) in answer.json()["result"]


async def test_the_busy_agent_answers_or_fails_honestly(
    http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    task = (await http.post("/api/tasks", json={"userQuery": "busy"})).json()["id"]
    call = {"agentId": "mock_busy", "taskId": task, "payload": {"task": "sort"}}

    answer = await http.post(INVOKE, json=call)

    [step] = await books.get(http, f"/api/tasks/{task}/steps")
    if answer.status_code == 200:
        assert answer.json()["cost"] == step["cost"] >= 0.12
    else:
        assert answer.status_code == 503
        assert "busy" in answer.json()["error"].lower()
        assert (step["status"], step["cost"]) == ("failed", 0)

    async def agreed() -> bool:
        shown = await books.get(http, f"/api/tasks/{task}")
        assert await books.disagreements(http, js, [shown]) == []
        return True

    assert await insist(agreed)


async def test_a_new_agent_with_a_new_skill_is_listed_and_used(
    http: httpx.AsyncClient, market: Market
) -> None:
    skill = new_skill("haiku")

    async def poem(text: str) -> str:
        return f"A frog jumps: {text}"

    agent = await market.agent(skill, price="0.07", work=poem)
    listed = {found["id"]: found for found in await books.get(http, "/api/agents", limit=500)}
    assert listed[agent.id]["skills"] == [skill]
    assert listed[agent.id]["name"] == agent.name
    assert listed[agent.id]["basePrice"] == 0.07

    said = (await http.post(CHAT, json={"content": f"{skill} about autumn"})).json()["message"]
    answer = await http.post(INVOKE, json={"agentId": agent.id, "payload": {"text": "a pond"}})

    assert said["content"].startswith("A frog jumps")
    assert said["costBreakdown"] == {
        "subtasks": [{"agent": agent.name, "cost": 0.07, "agentId": agent.id}],
        "total": 0.07,
    }
    assert answer.json()["result"] == "A frog jumps: a pond"

    async def counted() -> bool:
        found = await books.agent(http, agent.id)
        return (found["jobsCompleted"], found["load"]) == (2, 0)

    assert await insist(counted)
    asked = await http.post(CHAT, json={"content": "What agents are available?"})
    assert agent.name in asked.json()["message"]["content"]


async def test_a_result_goes_from_a_new_agent_to_the_translator(
    http: httpx.AsyncClient, market: Market
) -> None:
    skill = new_skill("greet")

    async def greeting(_text: str) -> str:
        return "hello"

    await market.agent(skill, work=greeting)
    said = (
        await http.post(CHAT, json={"content": f"{skill} me and translate it to Spanish"})
    ).json()
    assert said["message"]["content"] == "hola"


async def test_another_agent_of_the_same_skill_takes_over(
    http: httpx.AsyncClient, market: Market
) -> None:
    async def one(trouble: int | None) -> None:
        skill = new_skill("knit")
        cheap = await market.agent(skill, price="0.02")
        dear = await market.agent(skill, price="0.03")
        cheap.refuses = trouble
        if trouble is None:
            cheap.stop()

        said = (await http.post(CHAT, json={"content": f"{skill} a scarf"})).json()["message"]

        assert "done with" in said["content"]
        line = {"agent": dear.name, "cost": 0.03, "agentId": dear.id}
        bill = {"subtasks": [line], "total": 0.03}
        assert said["costBreakdown"] == bill
        assert len(dear.calls) == 1
        steps = await books.get(http, f"/api/tasks/{said['taskId']}/steps")
        assert steps[-1]["agentId"] == dear.id
        assert all(step["status"] == "failed" and step["cost"] == 0 for step in steps[:-1])
        task = await books.get(http, f"/api/tasks/{said['taskId']}")
        assert (task["status"], task["totalCost"]) == ("completed", 0.03)

    await asyncio.gather(one(503), one(500), one(None))


async def test_the_cheaper_agent_is_preferred_unless_it_is_gone(
    http: httpx.AsyncClient, market: Market
) -> None:
    async def wish(what: str) -> str:
        said = await http.post(CHAT, json={"content": f"{skill} {what}"})
        [step] = await books.get(http, f"/api/tasks/{said.json()['taskId']}/steps")
        return str(step["agentId"])

    async def availability() -> object:
        return (await books.agent(http, cheap.id))["availability"]

    async def gone() -> bool:
        return await availability() is False

    async def back() -> bool:
        return await availability() is True

    skill = new_skill("sew")
    dear = await market.agent(skill, price="0.03")
    cheap = await market.agent(skill, price="0.02")
    elsewhere = await market.agent(new_skill("hem"))
    assert await wish("a shirt") == cheap.id

    cheap.stop()
    await insist(gone)
    assert await wish("another shirt") == dear.id

    listing = {"name": cheap.name, "skills": [skill], "basePrice": "0.02", "description": ""}
    await market.register(cheap.id, elsewhere.url, **listing)
    await insist(back)
    assert await wish("one more shirt") == cheap.id
    assert elsewhere.calls
