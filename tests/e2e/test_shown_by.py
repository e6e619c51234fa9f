"""What the marketplace is for: a wish in HubChat is planned, done, paid and answered."""

import asyncio
from typing import Any

import httpx
import pytest
from nats.js import JetStreamContext

from tests.e2e import books
from tests.support.polling import insist

PARAGRAPHS = """\
Zanzibar is an island where cloves, nutmeg and pepper have been grown for the markets of the whole \
world, and the trade in cloves made the island rich. Vanilla came later.

Kathmandu lies in a valley between mountains, and the trade between India and Tibet went through \
the valley for centuries. The trade made the city rich too. Yaks carried salt."""
NAMES = ("Zanzibar", "Vanilla", "Kathmandu", "Tibet", "Yaks")


async def ask(http: httpx.AsyncClient, content: str) -> dict[str, Any]:
    """The answer of HubChat, which must be there when the POST answers."""
    answer = await http.post("/api/hubchat/message", json={"content": content})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert body["success"] is True
    assert body["done"] is True
    return body


async def jobs(http: httpx.AsyncClient, agent_id: str) -> int:
    found: int = (await books.agent(http, agent_id))["jobsCompleted"]
    return found


async def test_a_translation_is_done_paid_and_answered(
    http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    before = await jobs(http, "translator")

    await ask(http, "Translate 'hello' to Spanish")

    messages, tasks, payments = await asyncio.gather(
        books.get(http, "/api/messages"),
        books.get(http, "/api/tasks"),
        books.get(http, "/api/payments/bazaarbucks"),
    )
    answer, task, payment = messages[-1], tasks[0], payments[0]
    [step] = await books.get(http, f"/api/tasks/{task['id']}/steps")
    assert answer["role"] == "assistant"
    assert "hola" in answer["content"].lower()
    assert answer["taskId"] == task["id"] == step["taskId"] == payment["taskId"]
    assert [line["agent"] for line in answer["costBreakdown"]["subtasks"]] == ["Translator Agent"]
    assert (task["status"], task["userQuery"]) == ("completed", "Translate 'hello' to Spanish")
    assert (step["status"], step["agentId"], step["result"]) == ("completed", "translator", "hola")
    assert (payment["agentId"], payment["type"]) == ("translator", "agent_payment")
    assert await books.disagreements(http, js, [task]) == []
    assert task["totalCost"] == payment["amount"] == answer["costBreakdown"]["total"] > 0

    async def grew() -> bool:
        return await jobs(http, "translator") == before + 1

    assert await insist(grew)


async def test_two_wishes_in_one_sentence_are_two_agents_one_after_the_other(
    http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    said = await ask(http, f"Summarize and translate to French: {PARAGRAPHS}")

    steps = await books.get(http, f"/api/tasks/{said['taskId']}/steps")
    task = await books.get(http, f"/api/tasks/{said['taskId']}")
    assert [step["agentId"] for step in steps] == ["summarizer", "translator"]
    assert all(step["status"] == "completed" for step in steps)
    summary, translation = (step["result"] for step in steps)
    kept = [name for name in NAMES if name in summary]
    assert 0 < len(kept) < len(NAMES), summary
    assert [name for name in NAMES if name in translation] == kept
    assert translation != summary
    assert said["message"]["content"] == translation
    assert await books.disagreements(http, js, [task]) == []


async def test_what_an_agent_buys_outside_is_on_the_bill_and_on_the_card(
    http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    said = await ask(http, "Search for solar energy and summarize it")

    [card, *_] = await books.get(http, "/api/payments/stripe")
    steps = await books.get(http, f"/api/tasks/{said['taskId']}/steps")
    task = await books.get(http, f"/api/tasks/{said['taskId']}")
    assert [step["agentId"] for step in steps] == ["search", "summarizer"]
    assert steps[0]["requiresExternalTool"] is True
    assert (card["agentId"], card["type"], card["status"]) == ("search", "card_spend", "completed")
    assert card["amount"] == steps[0]["externalCost"] > 0
    assert "solar" in said["message"]["content"].lower()
    assert await books.disagreements(http, js, [task]) == []


async def test_a_question_about_the_marketplace_calls_nobody(http: httpx.AsyncClient) -> None:
    before = await books.newest_task(http)

    said = await ask(http, "What agents are available?")

    assert "Summarizer Agent" in said["message"]["content"]
    assert said["message"]["costBreakdown"] is None
    assert said["message"]["taskId"] is None
    assert await books.newest_task(http) == before


@pytest.mark.parametrize("wish", ["brew me some coffee", "book a flight to Oslo"])
async def test_what_nobody_can_do_is_said_plainly(http: httpx.AsyncClient, wish: str) -> None:
    said = await ask(http, wish)
    told = said["message"]["content"]
    assert "no agent here can do that" in told.lower() or told.startswith("I did not understand")
    assert said["message"]["costBreakdown"] is None
