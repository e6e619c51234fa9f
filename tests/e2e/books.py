"""What the API says about money, added up from every side, and what people were answered."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection
from decimal import Decimal
from typing import Any

import httpx
from nats.js import JetStreamContext

from tests.e2e.powers import Powers, books_of
from tests.payment.helpers import broken_books

Json = dict[str, Any]
PAGE = 200
READ_S = 10.0
RIGHT = 101
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


async def pages(http: httpx.AsyncClient, path: str, limit: int) -> AsyncIterator[list[Json]]:
    """A list page by page, along the Link header."""
    url: str | None = f"{path}?limit={limit}"
    while url is not None:
        answer = await http.get(url)
        assert answer.status_code == httpx.codes.OK, f"{url}: {answer.status_code} {answer.text}"
        yield answer.json()
        url = answer.links.get("next", {}).get("url")


async def everything(http: httpx.AsyncClient, path: str, limit: int = PAGE) -> list[Json]:
    """All items of a list, the newest page first."""
    return [item async for page in pages(http, path, limit) for item in page]


async def history(js: JetStreamContext, subject: str) -> list[Json]:
    """The bodies of all events on a subject, oldest first."""
    reading = await js.subscribe(subject, stream="EVENTS", ordered_consumer=True)
    try:
        known = await reading.consumer_info()
        count = (known.num_pending or 0) + (known.delivered.consumer_seq if known.delivered else 0)
        return [json.loads((await reading.next_msg(READ_S)).data) for _ in range(count)]
    finally:
        await reading.unsubscribe()


async def agent(http: httpx.AsyncClient, id_: str) -> Json:
    """An agent as it is listed now."""
    found: Json = await get(http, f"/api/agents/{id_}")
    return found


async def tasks_since(http: httpx.AsyncClient, newest: Json | None) -> list[Json]:
    """The tasks that are newer than one that was the newest."""
    found: list[Json] = []
    async for page in pages(http, "/api/tasks", PAGE):
        for task in page:
            if newest is not None and task["id"] == newest["id"]:
                return found
            found.append(task)
    return found


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
        sign = -1 if payment["type"] == "refund" else 1
        paid[payment["taskId"]].append(sign * money(payment["amount"]))
    cards = {
        card["id"]: money(card["amount"]) for card in await everything(http, "/api/payments/stripe")
    }
    answers = {
        message["taskId"]: message
        for message in await everything(http, "/api/messages")
        if message["role"] == "assistant" and message["taskId"]
    }
    spent: dict[str, list[Decimal]] = defaultdict(list)
    for spend in await history(js, "bazaar.evt.stripe_payment.updated.*"):
        if spend["taskId"] in ids:  # Other accounts buy, too.
            spent[spend["taskId"]].append(cards[spend["paymentId"]])
    return [
        fault
        for id_, task in zip(ids, tasks, strict=True)
        for fault in _of_one(task, steps[id_], paid[id_], spent[id_], answers.get(id_, {}))
    ]


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


async def sound(http: httpx.AsyncClient, js: JetStreamContext, since: Json | None) -> bool:
    """Every turn has one answer; every task since one is over, and its sums agree.

    Raises:
        AssertionError: which do not.
    """
    assert await unanswered(js) == {}
    tasks = await tasks_since(http, since)
    assert [task for task in tasks if task["status"] == "in_progress"] == []
    assert await disagreements(http, js, tasks) == []
    return True


async def wallet_agrees(http: httpx.AsyncClient) -> bool:
    """The wallet lacks exactly what was paid, and nothing is set aside any more.

    Raises:
        AssertionError: what it has instead.
    """
    wallet = await get(http, "/api/wallet")
    lines = await everything(http, "/api/ledger")
    paid = await everything(http, "/api/payments/bazaarbucks")
    cards = await everything(http, "/api/payments/stripe")
    paid += [card for card in cards if card["type"] != "balance_load"]
    came_in = ("grant", "top_up")
    granted = sum(money(line["amount"]) for line in lines if line["kind"] in came_in)
    spent = sum(money(payment["amount"]) for payment in paid)
    assert granted > spent > 0
    assert wallet["held"] == 0
    assert money(wallet["available"]) == money(wallet["posted"]) == granted - spent
    return True


async def ledger_is_sound(powers: Powers) -> bool:
    """No hold is open, and every rule of the books is kept, whatever the API says.

    Raises:
        AssertionError: what is wrong.
    """
    async with books_of(powers) as sql:
        assert await sql.fetchval("SELECT count(*) FROM holds WHERE status = 'held'") == 0
        assert await broken_books(sql) == []
    return True


async def jobs_are_counted(http: httpx.AsyncClient, js: JetStreamContext) -> bool:
    """Every agent has as many jobs as steps of it were completed, and none seems to be at work.

    Steps are counted by their events: agents work for all accounts, and lists are of one.

    Raises:
        AssertionError: which do not.
    """
    ends = await history(js, "bazaar.evt.step.completed.*")
    agents = await everything(http, "/api/agents")
    listed = {agent["id"] for agent in agents}  # Some were delisted meanwhile.
    doers = {end["stepId"]: end["agentId"] for end in ends if end["agentId"] in listed}
    done = Counter(doers.values())
    assert {a["id"]: a["jobsCompleted"] for a in agents if a["jobsCompleted"]} == done
    assert [a["id"] for a in agents if a["load"] and a["id"] != "mock_busy"] == []
    return True


async def unanswered(js: JetStreamContext) -> dict[str, int]:
    """Turns that do not have exactly one answer, as hundreds of ends and ones of messages."""
    begun: set[str] = set()
    answers: Counter[str] = Counter()
    for message in await history(js, "bazaar.evt.message.posted.*"):
        if message["role"] == "user":
            begun.add(message["turnId"])
        else:
            answers[message["turnId"]] += 1
    for end in await history(js, "bazaar.evt.turn.completed.*"):
        answers[end["turnId"]] += 100
    return {turn: answers[turn] for turn in begun if answers[turn] != RIGHT}
