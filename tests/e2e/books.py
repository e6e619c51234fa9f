"""What the API says about money, added up from every side, and what people were answered."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection
from decimal import Decimal
from typing import Any

import httpx
from nats.js import JetStreamContext

from tests.chassis.helpers import stored

Json = dict[str, Any]
PAGE = 200
AT_ONCE = 8


def money(amount: float) -> Decimal:
    """An amount of the API, exactly."""
    assert type(amount) in (int, float), f"{amount!r} is no number"
    return Decimal(str(amount))


async def get(http: httpx.AsyncClient, path: str, **query: Any) -> Any:
    """The JSON of a GET that must succeed."""
    answer = await http.get(path, params=query)
    assert answer.status_code == httpx.codes.OK, f"{path}: {answer.status_code} {answer.text}"
    return answer.json()


async def everything(http: httpx.AsyncClient, path: str, limit: int = PAGE) -> list[Json]:
    """All items of a list, page by page, the newest page first."""
    found: list[Json] = []
    url: str | None = f"{path}?limit={limit}"
    while url is not None:
        answer = await http.get(url)
        assert answer.status_code == httpx.codes.OK, f"{url}: {answer.status_code} {answer.text}"
        found += answer.json()
        url = answer.links.get("next", {}).get("url")
    return found


async def agent(http: httpx.AsyncClient, id_: str) -> Json:
    """An agent as it is listed now."""
    found: Json = await get(http, f"/api/agents/{id_}")
    return found


async def tasks_since(http: httpx.AsyncClient, newest: Json | None) -> list[Json]:
    """The tasks that are newer than one that was the newest."""
    found = await everything(http, "/api/tasks")
    ids = [task["id"] for task in found]
    return found[: ids.index(newest["id"])] if newest else found


async def newest_task(http: httpx.AsyncClient) -> Json | None:
    """The newest task, if there is any."""
    found: list[Json] = await get(http, "/api/tasks", limit=1)
    return found[0] if found else None


async def steps_of(http: httpx.AsyncClient, task_ids: Collection[str]) -> dict[str, list[Json]]:
    """The steps of tasks, some asked for at once as a browser does."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(task_id: str) -> list[Json]:
        async with slots:
            return await everything(http, f"/api/tasks/{task_id}/steps")

    return dict(zip(task_ids, await asyncio.gather(*map(one, task_ids)), strict=True))


async def disagreements(
    http: httpx.AsyncClient, js: JetStreamContext, tasks: Collection[Json]
) -> list[str]:
    """Where a task, its steps, its payments and its answer say different amounts."""
    ids = [task["id"] for task in tasks]
    steps = await steps_of(http, ids)
    paid: dict[str, list[Decimal]] = defaultdict(list)
    for payment in await everything(http, "/api/payments/bazaarbucks"):
        paid[payment["taskId"]].append(money(payment["amount"]))
    cards = {
        card["id"]: money(card["amount"]) for card in await everything(http, "/api/payments/stripe")
    }
    answers = {
        message["taskId"]: message
        for message in await everything(http, "/api/messages")
        if message["role"] == "assistant" and message["taskId"]
    }
    wrong = []
    for task in tasks:
        spends = await stored(js, "EVENTS", f"bazaar.evt.stripe_payment.updated.{task['id']}")
        spent = [cards.get(spend.body["paymentId"], Decimal("NaN")) for spend in spends]
        wrong += _of_one(
            task, steps[task["id"]], paid[task["id"]], spent, answers.get(task["id"], {})
        )
    return wrong


def _of_one(
    task: Json, steps: list[Json], paid: list[Decimal], spent: list[Decimal], message: Json
) -> list[str]:
    total = money(task["totalCost"])
    bill = message.get("costBreakdown")
    sums = {
        "steps": sum((money(s["cost"]) + money(s["externalCost"]) for s in steps), Decimal(0)),
        "payments": sum(paid + spent, Decimal(0)),
        "answer": money(bill["total"]) if bill else total,
        "bill": sum((money(line["cost"]) for line in bill["subtasks"]), Decimal(0))
        if bill
        else total,
    }
    wrong = [f"{name} say {amount}" for name, amount in sums.items() if amount != total]
    if total > money(task["maxBudget"]):
        wrong.append("over budget")
    if len(paid) != sum(1 for step in steps if step["cost"]):
        wrong.append(f"{len(paid)} payments for {len(steps)} steps")
    if any(step["cost"] or step["externalCost"] for step in steps if step["status"] != "completed"):
        wrong.append("a step that is not completed cost something")
    return [f"task {task['id']} of {total}: {what}" for what in wrong]


async def unanswered(js: JetStreamContext) -> dict[str, int]:
    """Turns that do not have exactly one answer, with what they have: 101 would be right."""
    begun: set[str] = set()
    answers: Counter[str] = Counter()
    for event in await stored(js, "EVENTS", "bazaar.evt.message.posted.*"):
        if event.body["role"] == "user":
            begun.add(event.body["turnId"])
        else:
            answers[event.body["turnId"]] += 1
    for event in await stored(js, "EVENTS", "bazaar.evt.turn.completed.*"):
        answers[event.body["turnId"]] += 100
    return {turn: answers[turn] for turn in begun if answers[turn] != 101}
