"""Each request of the UI, and the type of every field of its answer."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from contracts.chat import LIST_MESSAGES, POST_MESSAGE
from contracts.listings import CHOOSE_AGENTS
from contracts.payment import LIST_BAZAARBUCKS, LIST_STRIPE
from contracts.quotes import ASK_QUOTE
from contracts.registry import GET_AGENT, LIST_AGENTS
from contracts.task import CREATE_TASK, GET_TASK, INVOKE_AGENT, LIST_STEPS, LIST_TASKS
from gateway.choosing import ONE_OF_THEM
from tests.gateway import samples
from tests.support.gateways import StandIns


def number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def text(value: Any) -> bool:
    return isinstance(value, str)


def truth(value: Any) -> bool:
    return isinstance(value, bool)


def texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(text, value))


def moment(value: Any) -> bool:
    return text(value) and datetime.fromisoformat(value).tzinfo is not None


def maybe(kind: Any) -> Any:
    return lambda value: value is None or kind(value)


def bill(value: Any) -> bool:
    return number(value["total"]) and all(
        text(line["agent"]) and number(line["cost"]) for line in value["subtasks"]
    )


AGENT = {
    "id": text,
    "name": text,
    "description": text,
    "skills": texts,
    "basePrice": number,
    "dynamicPrice": number,
    "load": whole,
    "rating": number,
    "jobsCompleted": whole,
    "endpointUrl": text,
    "capabilities": texts,
    "avgResponseTime": whole,
    "availability": truth,
}
TASK = {
    "id": text,
    "userQuery": text,
    "requiredSkills": texts,
    "status": text,
    "maxBudget": number,
    "totalCost": number,
    "createdAt": moment,
    "completedAt": maybe(moment),
}
STEP = {
    "id": text,
    "taskId": text,
    "agentId": text,
    "subtaskType": text,
    "status": text,
    "cost": number,
    "externalCost": number,
    "requiresExternalTool": truth,
    "result": maybe(text),
    "executionTime": maybe(whole),
    "createdAt": moment,
    "completedAt": maybe(moment),
}
PAYMENT = {
    "id": text,
    "taskId": text,
    "agentId": text,
    "amount": number,
    "type": text,
    "createdAt": moment,
}
CARD = {
    "id": text,
    "agentId": text,
    "vendor": text,
    "amount": number,
    "status": text,
    "type": text,
    "createdAt": moment,
}
MESSAGE = {
    "id": text,
    "role": text,
    "content": text,
    "taskId": maybe(text),
    "costBreakdown": maybe(bill),
    "createdAt": moment,
}
RESULT = {
    "result": text,
    "cost": number,
    "subtaskType": text,
    "requiresExternalTool": truth,
    "externalCost": number,
    "taskId": text,
    "stepId": text,
}


def has_shape(item: dict[str, Any], shape: dict[str, Any]) -> bool:
    wrong = [name for name, fits in shape.items() if not fits(item[name])]
    assert not wrong, {name: item[name] for name in wrong}
    return True


async def page(http: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """A list as the UI asks for it."""
    answer = await http.get(path, headers={"Accept": "*/*", "Origin": "http://localhost:5000"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert isinstance(body, list)
    assert body
    return body


async def test_the_marketplace_page(http: httpx.AsyncClient, services: StandIns) -> None:
    await services.answer(LIST_AGENTS, samples.AGENTS)
    await services.answer(GET_AGENT, samples.ONE_AGENT)

    (agent,) = await page(http, "/api/agents")

    assert has_shape(agent, AGENT)
    assert (agent["basePrice"], agent["dynamicPrice"], agent["rating"]) == (0.1, 0.115, 4.25)
    assert (await http.get("/api/agents/translator")).json() == agent
    assert services.got(GET_AGENT)[0].body.agent_id == "translator"


async def test_the_tasks_page(http: httpx.AsyncClient, services: StandIns) -> None:
    await services.answer(LIST_TASKS, samples.TASKS)
    await services.answer(GET_TASK, samples.ONE_TASK)
    await services.answer(LIST_STEPS, samples.STEPS)
    await services.answer(LIST_AGENTS, samples.AGENTS)

    (task,) = await page(http, "/api/tasks")
    (agent,) = await page(http, "/api/agents")
    (step,) = await page(http, f"/api/tasks/{task['id']}/steps")

    assert has_shape(task, TASK)
    assert has_shape(step, STEP)
    assert step["agentId"] == agent["id"]
    assert task["totalCost"] == step["cost"] + step["externalCost"] == 0.36
    assert (await http.get("/api/tasks/t1")).json() == task
    assert services.got(LIST_STEPS)[0].body.task_id == "t1"


async def test_the_payments_page(http: httpx.AsyncClient, services: StandIns) -> None:
    await services.answer(LIST_BAZAARBUCKS, samples.PAYMENTS)
    await services.answer(LIST_STRIPE, samples.CARDS)

    (payment,) = await page(http, "/api/payments/bazaarbucks")
    (card,) = await page(http, "/api/payments/stripe")

    assert has_shape(payment, PAYMENT)
    assert has_shape(card, CARD)
    assert (payment["amount"], card["amount"]) == (0.12, 0.24)


async def test_the_chat_page(http: httpx.AsyncClient, services: StandIns) -> None:
    await services.answer(LIST_MESSAGES, samples.MESSAGES)

    async def think(request: Any) -> Any:
        await services.publish(samples.turn_end(request.turn_id))
        return samples.posted(request)

    await services.answer(POST_MESSAGE, think)

    said = await http.post("/api/hubchat/message", json={"content": "  Translate 'hello' \n"})
    question, answer = await page(http, "/api/messages")

    assert said.status_code == 200
    assert said.json()["success"] is True
    assert services.got(POST_MESSAGE)[0].body.content == "  Translate 'hello' \n"
    assert has_shape(question, MESSAGE)
    assert has_shape(answer, MESSAGE)
    assert question["costBreakdown"] is None
    assert answer["costBreakdown"] == {
        "subtasks": [{"agent": "Translator", "cost": 0.36, "agentId": None}],
        "total": 0.36,
    }


async def test_making_a_task_and_calling_an_agent(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(CREATE_TASK, samples.ONE_TASK)
    await services.answer(INVOKE_AGENT, samples.RESULT)

    wish = {"userQuery": "Translate", "requiredSkills": ["translation"], "maxBudget": 5}
    made = await http.post("/api/tasks", json=wish)
    call = {"agentId": "translator", "taskId": "t1", "payload": {"text": "hello", "n": [1, 2.5]}}
    called = await http.post("/api/invoke-agent", json={**call, "maxPrice": 0.5})

    assert (made.status_code, called.status_code) == (200, 200)
    assert has_shape(made.json(), TASK)
    assert has_shape(called.json(), RESULT)
    assert called.json()["result"] == "hola"
    created = services.got(CREATE_TASK)[0].body
    assert (created.user_query, created.required_skills) == ("Translate", ["translation"])
    assert created.max_budget == 5
    invoked = services.got(INVOKE_AGENT)[0].body
    assert (invoked.agent_id, invoked.task_id) == ("translator", "t1")
    assert invoked.payload == call["payload"]
    assert float(invoked.max_price) == 0.5


async def test_a_call_and_a_quote_by_a_skill_go_to_who_was_chosen_and_say_why(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    choice = samples.choice(samples.AGENT)
    await services.answer(CHOOSE_AGENTS, choice)
    await services.answer(
        INVOKE_AGENT, samples.RESULT.model_copy(update={"agent_id": "translator"})
    )
    await services.answer(ASK_QUOTE, samples.QUOTE)

    wish = {"skill": "translation", "payload": {"text": "hello"}}
    called = await http.post("/api/invoke-agent", json={**wish, "maxPrice": "0.5"})
    quoted = await http.post("/api/quotes", json=wish)

    why = {
        "skill": "translation",
        "reason": choice.reason,
        "candidates": [{"agentId": "translator", "score": 0.9, "price": 0.115}],
    }
    assert (called.json()["agentId"], called.json()["chosen"]) == ("translator", why)
    assert (quoted.json()["agentId"], quoted.json()["chosen"]) == ("translator", why)
    [asked, asked_of_quote] = [one.body for one in services.got(CHOOSE_AGENTS)]
    assert (asked.skill, asked.max_price) == ("translation", Decimal("0.5"))
    assert asked_of_quote.max_price is None
    ordered = services.got(INVOKE_AGENT)[0].body
    assert (ordered.agent_id, ordered.skill) == ("translator", "translation")


async def test_who_was_chosen_is_not_said_of_a_call_that_somebody_else_had_done(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(CHOOSE_AGENTS, samples.choice(samples.AGENT))
    await services.answer(INVOKE_AGENT, samples.RESULT.model_copy(update={"agent_id": "poet"}))
    called = await http.post("/api/invoke-agent", json={"skill": "translation", "payload": {}})
    assert (called.json()["agentId"], called.json()["chosen"]) == ("poet", None)


@pytest.mark.parametrize("path", ["/api/invoke-agent", "/api/quotes"])
async def test_a_skill_that_nobody_can_serve_is_refused_in_words(
    http: httpx.AsyncClient, services: StandIns, path: str
) -> None:
    wish = {"skill": "translation", "payload": {}}
    both = await http.post(path, json={**wish, "agentId": "translator"})
    assert (both.status_code, both.json()["error"]) == (422, ONE_OF_THEM)
    await services.answer(CHOOSE_AGENTS, samples.choice())
    nobody = await http.post(path, json=wish)
    assert (nobody.status_code, nobody.json()["error"]) == (404, "A sentence.")
    away = samples.AGENT.model_copy(update={"availability": False})
    await services.answer(CHOOSE_AGENTS, samples.choice(away))
    later = await http.post(path, json=wish)
    assert (later.status_code, later.json()["error"]) == (503, "A sentence.")
    assert services.got(INVOKE_AGENT) == services.got(ASK_QUOTE) == []


async def test_amounts_have_at_most_six_decimals(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    lines = [{**samples.PAYMENT.model_dump(mode="json"), "amount": "0.360001"}]
    await services.answer(LIST_BAZAARBUCKS, samples.PAYMENTS.model_copy(update={"payments": []}))
    assert (await http.get("/api/payments/bazaarbucks")).text == "[]"

    await services.answer(LIST_BAZAARBUCKS, json.dumps({"payments": lines}).encode())
    assert '"amount":0.360001,' in (await http.get("/api/payments/bazaarbucks")).text
