"""Cancelling over HTTP: of a wish and of a call, both sent with an `Idempotency-Key`."""

import asyncio
from typing import Any

import httpx
from nats.js import JetStreamContext

from tests.e2e import books
from tests.e2e.market import Gate, Market, OwnAgent, new_skill
from tests.e2e.test_tasks import agreed, new_task
from tests.support.polling import insist


async def at_work(market: Market, skill: str) -> tuple[OwnAgent, Gate]:
    """An agent that works until a gate opens."""
    gate = Gate()

    async def work(text: str) -> str:
        await gate.passed()
        return text

    return await market.agent(skill, work=work), gate


async def test_a_cancelled_wish_is_answered_with_what_was_paid_and_so_again(
    http: httpx.AsyncClient, js: JetStreamContext, market: Market
) -> None:
    skill = new_skill("paint")
    agent, gate = await at_work(market, skill)
    body = {"content": f"Please {skill} 'a house'"}
    key = {"idempotency-key": f"wish-{skill}"}
    asking = asyncio.create_task(http.post("/api/hubchat/message", json=body, headers=key))
    await insist(agent.is_at_work)

    async def begun() -> Any:
        tasks = await books.get(http, "/api/tasks")
        return next((one for one in tasks if one["userQuery"] == body["content"]), None)

    task = (await insist(begun))["id"]
    cancelled = [(await http.post(f"/api/tasks/{task}/cancel")).json() for _ in range(2)]
    answer = await asking
    gate.open()

    assert cancelled[0] == cancelled[1]
    assert (cancelled[0]["cancelled"], cancelled[0]["status"]) == (True, "failed")
    assert answer.status_code == 200
    said = answer.json()
    assert (said["done"], said["taskId"]) == (True, task)
    assert said["message"]["content"].startswith("You cancelled this, so I stopped.")
    assert "Nothing was paid." in said["message"]["content"]
    again = await http.post("/api/hubchat/message", json=body, headers=key)
    assert again.json() == said
    assert (await agreed(http, js, task))["totalCost"] == 0
    assert len(agent.calls) == 1


async def test_a_cancelled_call_is_refused_for_good(
    http: httpx.AsyncClient, js: JetStreamContext, market: Market
) -> None:
    agent, gate = await at_work(market, new_skill("carve"))
    task = await new_task(http)
    key = {"idempotency-key": f"call-{agent.id}"}
    body = {"agentId": agent.id, "taskId": task, "payload": {"text": "wood"}}

    async def call() -> httpx.Response:
        return await http.post("/api/invoke-agent", json=body, headers=key)

    calling = asyncio.create_task(call())
    await insist(agent.is_at_work)
    assert (await http.post(f"/api/tasks/{task}/cancel")).json()["cancelled"] is True
    refused = await calling
    gate.open()

    assert (refused.status_code, refused.json()["error"]) == (409, "The task was cancelled.")
    assert (await call()).status_code == 409
    found = await agreed(http, js, task)
    assert (found["status"], found["totalCost"]) == ("failed", 0)
    assert len(agent.calls) == 1
