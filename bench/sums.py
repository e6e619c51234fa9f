"""Whether everything that callers asked for is there once, and all that it cost adds up."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
from sqlalchemy import func, select, table

from bench.callers import INVOKE, OK, WISH, Asked, final
from contracts.topology import DEADLETTER, DURABLES
from contracts.users import CONTEXTS

SETTLED_S = 60.0
AGENTS_FAULT = ("agent_unreachable", "agent_busy", "agent_too_slow", "agent_error")
Json = dict[str, Any]


async def everything(http: httpx.AsyncClient, path: str) -> list[Json]:
    """All items of a list, along its pages."""
    found: list[Json] = []
    url: str | None = f"{path}?limit=200"
    while url is not None:
        answer = await http.get(url)
        assert answer.status_code == OK, answer.text
        found += answer.json()
        url = answer.links.get("next", {}).get("url")
    return found


async def streams(*monitors: str) -> dict[str, Json]:
    """The streams by name, as the servers at these addresses have them that lead them."""
    found: dict[str, Json] = {}
    for monitor in monitors:
        async with httpx.AsyncClient(trust_env=False) as http:
            query = {"streams": "true", "consumers": "true", "accounts": "true"}
            said = (await http.get(f"{monitor}/jsz", params=query)).json()
            me = (await http.get(f"{monitor}/varz")).json()["server_name"]
        for account in said["account_details"]:
            for stream in account.get("stream_detail", []):
                known = found.setdefault(stream["name"], {"state": {}, "consumer_detail": []})
                if _leads(stream, me):
                    known["state"] = stream["state"]
                consumers = stream.get("consumer_detail", [])
                known["consumer_detail"] += [one for one in consumers if _leads(one, me)]
    return found


def _leads(what: Json, server: str) -> bool:
    """Whether a server knows best about a stream or consumer: one without a cluster does."""
    leader: str = what.get("cluster", {}).get("leader", server)
    return leader == server


async def settled(dsn: str, *monitors: str) -> None:
    """Wait until no message is under way, no step is open, and nothing is held."""
    async with asyncio.timeout(SETTLED_S):
        while left := [line async for line in _under_way(dsn, *monitors)]:
            await asyncio.sleep(0.5)
            print("  waits for", ", ".join(left))


async def _under_way(dsn: str, *monitors: str) -> Any:
    found = await streams(*monitors)
    for durable in DURABLES:
        for consumer in found[durable.stream]["consumer_detail"]:
            waiting = consumer["num_pending"] + consumer["num_ack_pending"]
            if consumer["name"] == durable.name and waiting:
                yield f"{waiting} of {durable.name}"
    conn = await asyncpg.connect(dsn)
    try:
        for what, query in _open():
            if count := await conn.fetchval(query):
                yield f"{count} {what}"
    finally:
        await conn.close()


def _open() -> Iterator[tuple[str, str]]:
    for context in CONTEXTS:
        outbox = table(f"{context}_outbox", schema=context)
        yield f"messages of {context}", str(select(func.count()).select_from(outbox))
    yield "open holds", "SELECT count(*) FROM payment.holds WHERE status = 'held'"
    yield (
        "open steps",
        "SELECT count(*) FROM task.steps WHERE status IN ('pending', 'in_progress')",
    )


async def _agents_failed(http: httpx.AsyncClient, task: str, paid: int) -> bool:
    """Whether a task lacks what an agent failed to do; what was done is paid for.

    Raises:
        AssertionError: it is not.
    """
    steps = await everything(http, f"/api/tasks/{task}/steps")
    done = [step for step in steps if step["status"] == "completed"]
    assert len(done) == paid, f"{paid} payments of task {task}: {steps}"
    return any(step.get("reason") in AGENTS_FAULT for step in steps)


async def add_up(
    http: httpx.AsyncClient,
    asked: list[Asked],
    grant: Decimal,
    dsn: str,
    *monitors: str,
    some_refused: bool = False,
) -> str:
    """Compare all that was asked with all that is there; a line that tells how much that was.

    Args:
        http: asks a gateway.
        asked: all that came of what was asked.
        grant: what was in the wallet.
        dsn: of the database's administrator.
        monitors: URLs of the NATS servers' monitoring.
        some_refused: whether a request may have been refused for good.

    Raises:
        AssertionError: something is missing, there twice, or costs another sum.
    """
    await settled(dsn, *monitors)
    refused = [one for one in asked if one.status != OK]
    unanswered = [one for one in refused if not final(one.status)]
    assert not unanswered, f"{len(unanswered)} of {len(asked)} have no answer: {unanswered[:3]}"
    assert some_refused or not refused, f"{len(refused)} were not done: {refused[:3]}"
    calls = [one.answer for one in asked if one.path == INVOKE and one.status == OK]
    wishes = [one for one in asked if one.path == WISH and one.status == OK]

    tasks = {task["id"]: task for task in await everything(http, "/api/tasks")}
    payments = await everything(http, "/api/payments/bazaarbucks")
    paid = Counter(payment["taskId"] for payment in payments)
    cost = {id_: Decimal(str(task["totalCost"])) for id_, task in tasks.items()}
    wanted = Counter(call["taskId"] for call in calls)
    wanted.update({one.answer["taskId"]: 2 for one in wishes if one.answer["done"]})
    said = Counter(
        message["content"]
        for message in await everything(http, "/api/messages")
        if message["role"] == "user"
    )
    granted = Counter(one.body["content"] for one in wishes)
    beside = Counter(one.body["content"] for one in refused if one.path == WISH)
    assert granted <= said <= granted + beside, "messages are lost or twice"
    more = len(tasks) - len(calls) - len(wishes)
    assert 0 <= more <= len(refused), f"{len(tasks)} tasks"
    failed = {id_ for id_, task in tasks.items() if task["status"] != "completed"}
    other = {id_ for id_, count in wanted.items() if paid[id_] != count}
    without = [id_ for id_ in failed | other if await _agents_failed(http, id_, paid[id_])]
    assert some_refused or not without, f"agents failed: {without}"
    strange = (failed | other) - {*without}
    assert len(strange) <= len(refused), f"tasks that failed, or payments per task: {strange}"
    total = sum((Decimal(str(payment["amount"])) for payment in payments), Decimal(0))
    assert total == sum(cost.values()), f"paid {total}, tasks cost {sum(cost.values())}"
    for call in calls:
        assert cost[call["taskId"]] == Decimal(str(call["cost"])), call
    wallet = (await http.get("/api/wallet")).json()
    assert wallet["held"] == 0
    assert Decimal(str(wallet["posted"])) == grant - total, f"{wallet}, {total} were paid"

    check = (await http.get("/api/ledger/check", params={"full": "true"})).json()
    broken = [rule for rule in check["findings"] if rule["broken"]]
    assert not broken, broken
    assert not check["pending"], check
    dead = (await streams(*monitors))[DEADLETTER.name]["state"]["messages"]
    assert dead == 0, f"{dead} dead letters"
    return (
        f"{len(calls)} calls and {len(wishes)} wishes were done, {len(refused)} refused for good;"
        f" an agent was away for {len(without)} of them: {len(tasks)} tasks,"
        f" {len(payments)} payments of {total} BazaarBucks, each once; no hold is open,"
        f" no letter is dead, {len(check['findings'])} rules of the books hold"
    )
