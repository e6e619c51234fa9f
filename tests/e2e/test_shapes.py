"""Every request of the UI gets what the UI can show: numbers, bare arrays, times with Z."""

import re
from collections.abc import Callable
from typing import Any

import httpx

from tests.e2e import books

Check = Callable[[Any], bool]
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")


def text(value: Any) -> bool:
    return type(value) is str and value != ""


def truth(value: Any) -> bool:
    return type(value) is bool


def number(value: Any) -> bool:
    """Not null, not a string, and no 0.36000000000000004."""
    return type(value) in (int, float) and value >= 0 and round(value, 6) == value


def whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def moment(value: Any) -> bool:
    return text(value) and MOMENT.fullmatch(value) is not None


def texts(value: Any) -> bool:
    return type(value) is list and all(text(word) for word in value)


def one_of(*words: str) -> Check:
    return lambda value: value in words


def or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def up_to(most: float, check: Check) -> Check:
    return lambda value: check(value) and value <= most


def shape(**fields: Check) -> Check:
    """An object that has all of these fields; it may have more."""
    return lambda value: not wrong(value, fields)


def each(check: Check) -> Check:
    """A list of such."""
    return lambda value: type(value) is list and all(map(check, value))


def wrong(value: Any, fields: dict[str, Check]) -> list[str]:
    if type(value) is not dict:
        return [f"{value!r} is no object"]
    missing = [name for name in fields if name not in value]
    bad = [f"{n}={value[n]!r}" for n, check in fields.items() if n in value and not check(value[n])]
    return [*missing, *bad]


AGENT: dict[str, Check] = {
    "id": text,
    "name": text,
    "description": lambda value: type(value) is str,
    "skills": texts,
    "basePrice": number,
    "dynamicPrice": number,
    "load": up_to(10, whole),
    "rating": up_to(5, number),
    "jobsCompleted": whole,
    "endpointUrl": text,
    "capabilities": texts,
    "avgResponseTime": whole,
    "availability": truth,
}
TASK: dict[str, Check] = {
    "id": text,
    "userQuery": text,
    "requiredSkills": texts,
    "status": one_of("created", "in_progress", "completed", "failed"),
    "maxBudget": number,
    "totalCost": number,
    "createdAt": moment,
    "completedAt": or_null(moment),
}
STEP: dict[str, Check] = {
    "id": text,
    "taskId": text,
    "agentId": text,
    "subtaskType": text,
    "status": one_of("pending", "in_progress", "completed", "failed"),
    "cost": number,
    "externalCost": number,
    "requiresExternalTool": truth,
    "result": or_null(text),
    "executionTime": or_null(lambda value: whole(value) and value >= 1),
    "createdAt": moment,
    "completedAt": or_null(moment),
}
BAZAARBUCKS: dict[str, Check] = {
    "id": text,
    "taskId": text,
    "agentId": text,
    "amount": number,
    "type": one_of("agent_payment", "platform_fee", "refund"),
    "createdAt": moment,
}
STRIPE: dict[str, Check] = {
    "id": text,
    "agentId": lambda value: type(value) is str,  # empty of a top-up, which is nobody's work
    "vendor": text,
    "amount": number,
    "status": one_of("pending", "completed", "failed"),
    "type": one_of("card_spend", "balance_load"),
    "createdAt": moment,
}
MESSAGE: dict[str, Check] = {
    "id": text,
    "role": one_of("user", "assistant"),
    "content": text,
    "taskId": or_null(text),
    "costBreakdown": or_null(shape(subtasks=each(shape(agent=text, cost=number)), total=number)),
    "createdAt": moment,
}
RESULT: dict[str, Check] = {
    "result": text,
    "cost": number,
    "subtaskType": text,
    "requiresExternalTool": truth,
    "externalCost": number,
}


def fits(items: Any, fields: dict[str, Check]) -> None:
    """A bare array, not empty, of objects that have all these fields as they should be."""
    assert type(items) is list
    assert items
    assert [(item, faults) for item in items if (faults := wrong(item, fields))] == []


async def post(http: httpx.AsyncClient, path: str, body: Any) -> Any:
    """A POST as the UI's, which must succeed."""
    answer = await http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    return answer.json()


async def test_the_marketplace_page(http: httpx.AsyncClient) -> None:
    agents = await books.get(http, "/api/agents")
    fits(agents, AGENT)
    assert [a["id"] for a in agents[:6]] == [
        "summarizer",
        "translator",
        "search",
        "mock_busy",
        "mock_highprice",
        "mock_negotiator",
    ]
    assert wrong(await books.get(http, "/api/agents/search"), AGENT) == []
    busy = agents[3]
    assert busy["load"] >= 7
    # What it says of its own load raises no price: only what the marketplace has under way there.
    assert busy["dynamicPrice"] == busy["basePrice"] == 0.12


async def test_the_chat_page(http: httpx.AsyncClient) -> None:
    content = "  Search for the moon and translate it to Spanish "
    said = await post(http, "/api/hubchat/message", {"content": content})
    assert said["success"] is True

    messages = await books.get(http, "/api/messages")

    fits(messages, MESSAGE)
    assert [message["role"] for message in messages[-2:]] == ["user", "assistant"]
    assert messages[-2]["content"] == content
    assert messages[0]["createdAt"] < messages[-2]["createdAt"] < messages[-1]["createdAt"]
    assert len(messages[-1]["costBreakdown"]["subtasks"]) == 2


async def test_the_tasks_page(http: httpx.AsyncClient) -> None:
    await post(http, "/api/hubchat/message", {"content": "Translate 'water' to French"})
    await post(http, "/api/hubchat/message", {"content": "Search for jazz and summarize it"})
    made = await post(
        http, "/api/tasks", {"userQuery": "nothing yet", "requiredSkills": ["search"]}
    )

    tasks = await books.get(http, "/api/tasks")
    steps = await books.steps_of(http, [task["id"] for task in tasks])

    assert wrong(made, TASK) == []
    fits(tasks, TASK)
    assert tasks[0] == made
    assert steps[made["id"]] == []
    newest_first = sorted((task["createdAt"] for task in tasks), reverse=True)
    assert [task["createdAt"] for task in tasks] == newest_first
    for task in tasks:
        assert wrong(await books.get(http, f"/api/tasks/{task['id']}"), TASK) == []
    for of_one in filter(None, steps.values()):
        fits(of_one, STEP)
        assert [s["createdAt"] for s in of_one] == sorted(s["createdAt"] for s in of_one)
    assert [step["agentId"] for step in steps[tasks[1]["id"]]] == ["search", "summarizer"]


async def test_the_payments_page(http: httpx.AsyncClient) -> None:
    await post(http, "/api/hubchat/message", {"content": "Search for chess"})

    payments = await books.get(http, "/api/payments/bazaarbucks")
    cards = await books.get(http, "/api/payments/stripe")

    fits(payments, BAZAARBUCKS)
    fits(cards, STRIPE)
    for items in (payments, cards):
        newest_first = sorted((item["createdAt"] for item in items), reverse=True)
        assert [item["createdAt"] for item in items] == newest_first


async def test_a_failed_step_can_be_shown(http: httpx.AsyncClient) -> None:
    task = await post(http, "/api/tasks", {"userQuery": "a call that fails"})
    call = {"agentId": "translator", "taskId": task["id"], "payload": {"wrong": "field"}}

    assert (await http.post("/api/invoke-agent", json=call)).status_code == 422

    steps = await books.get(http, f"/api/tasks/{task['id']}/steps")
    fits(steps, STEP)
    assert (steps[0]["status"], steps[0]["executionTime"], steps[0]["result"]) == (
        "failed",
        None,
        None,
    )
    [failed] = [t for t in await books.get(http, "/api/tasks") if t["id"] == task["id"]]
    assert wrong(failed, TASK) == []
    assert failed["status"] == "failed"


async def test_a_call_of_an_agent(http: httpx.AsyncClient) -> None:
    call = {"agentId": "search", "payload": {"query": "energy of the sun", "num_results": 2}}
    found = await post(http, "/api/invoke-agent", call)
    assert wrong(found, RESULT) == []
    assert found["requiresExternalTool"] is True
    assert found["externalCost"] == 0.02


async def test_health_names_every_service(http: httpx.AsyncClient) -> None:
    health = await books.get(http, "/health")
    assert health["status"] == "ok"
    assert {"gateway", "bus", "registry", "task", "payment", "chat"} == set(health["services"])
    assert all(service["status"] == "up" for service in health["services"].values())
