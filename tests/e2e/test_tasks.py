"""Tasks made by hand: completed by their skills, reopened by later calls, kept to their budget."""

import asyncio
from typing import Any

import httpx
from nats.js import JetStreamContext

from tests.e2e import books
from tests.e2e.market import Gate, Market, new_skill
from tests.support.polling import insist

CALLERS = 15
PAYLOADS = {"summarizer": {"text": "One. Two. Three."}, "translator": {"text": "hello"}}


async def new_task(http: httpx.AsyncClient, **body: Any) -> str:
    made = await http.post("/api/tasks", json={"userQuery": "by hand", **body})
    assert made.status_code == 200, made.text
    assert made.json()["status"] == "created"
    id_: str = made.json()["id"]
    return id_


async def call(http: httpx.AsyncClient, task: str, agent: str, **payload: Any) -> httpx.Response:
    body = {"agentId": agent, "taskId": task, "payload": payload or PAYLOADS[agent]}
    return await http.post("/api/invoke-agent", json=body)


async def agreed(http: httpx.AsyncClient, js: JetStreamContext, task: str) -> dict[str, Any]:
    """The task once its payments have followed its steps."""

    async def settled() -> dict[str, Any]:
        shown: dict[str, Any] = await books.get(http, f"/api/tasks/{task}")
        assert await books.disagreements(http, js, [shown]) == []
        return shown

    return await insist(settled)


async def test_a_task_is_completed_when_each_required_skill_has_its_step(
    http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    task = await new_task(http, requiredSkills=["summarize", "translate"])

    assert (await call(http, task, "summarizer")).status_code == 200
    halfway = await books.get(http, f"/api/tasks/{task}")
    assert (await call(http, task, "translator")).status_code == 200
    done = await books.get(http, f"/api/tasks/{task}")

    assert (halfway["status"], halfway["completedAt"]) == ("in_progress", None)
    assert done["status"] == "completed"
    assert done["completedAt"] >= done["createdAt"]
    assert (await agreed(http, js, task))["totalCost"] > halfway["totalCost"] > 0


async def test_a_later_call_reopens_a_task(
    http: httpx.AsyncClient, js: JetStreamContext, market: Market
) -> None:
    gate = Gate()

    async def wait(text: str) -> str:
        await gate.passed()
        return text

    slow = await market.agent(new_skill("ponder"), work=wait)
    task = await new_task(http)
    assert (await call(http, task, "translator")).status_code == 200
    assert (await books.get(http, f"/api/tasks/{task}"))["status"] == "completed"

    calling = asyncio.create_task(call(http, task, slow.id, text="x"))
    await insist(slow.is_at_work)
    open_again = await books.get(http, f"/api/tasks/{task}")
    gate.open()

    assert (open_again["status"], open_again["completedAt"]) == ("in_progress", None)
    assert (await calling).status_code == 200
    assert (await agreed(http, js, task))["status"] == "completed"


async def test_a_budget_holds_whatever_runs_at_the_same_time(
    http: httpx.AsyncClient, js: JetStreamContext, market: Market
) -> None:
    async def breathe(text: str) -> str:
        await asyncio.sleep(0.05)
        return text

    agent = await market.agent(new_skill("dig"), price="0.1", work=breathe)
    task = await new_task(http, maxBudget=0.55)

    answers = await asyncio.gather(
        *(call(http, task, agent.id, text=f"hole {n}") for n in range(CALLERS))
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) == {200, 402}, statuses
    charged = sum(books.money(a.json()["cost"]) for a in answers if a.status_code == 200)
    done = await agreed(http, js, task)
    assert books.money(done["totalCost"]) == charged <= books.money(0.55)
    assert len(agent.calls) == statuses.count(200)


async def test_a_call_without_a_task_makes_one(
    http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    body = {"agentId": "translator", "payload": PAYLOADS["translator"]}
    answer = (await http.post("/api/invoke-agent", json=body)).json()
    task = await agreed(http, js, answer["taskId"])
    assert (task["status"], task["totalCost"]) == ("completed", answer["cost"])


async def test_a_call_cannot_meddle_with_a_task_of_the_chat(http: httpx.AsyncClient) -> None:
    said = await http.post("/api/hubchat/message", json={"content": "Translate 'house' to French"})
    answer = await call(http, said.json()["taskId"], "translator")
    assert answer.status_code == 409
    assert (await books.get(http, f"/api/tasks/{said.json()['taskId']}"))["status"] == "completed"
