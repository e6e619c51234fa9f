"""What is charged for a call, and for what: never more than the work, and nothing for none."""

import asyncio
import json

import httpx

from tests.complaints.system import Json, Marketplace, Person
from tests.support.scripted_agent import Behaviour, Call, answer, answers, breaks_off, hangs, says

FAILURES: dict[str, tuple[Behaviour, int]] = {
    "an error": (says("no", 500), 502),
    "no result": (says({"cost": 0.1}), 502),
    "broken JSON": (says('{"result": "do'), 502),
    "more than 256 KiB": (answers("x" * 300_000), 502),
    "half an answer": (breaks_off, 502),
    "no answer in time": (hangs, 504),
}
SECRETS = {
    "Cookie": "session=of-the-caller",
    "X-API-Key": "key-of-the-caller",
    "Proxy-Authorization": "Basic of-the-caller",
    "baggage": "user=of-the-caller",
    "tracestate": "vendor=of-the-caller",
}


async def test_people_paid_although_the_work_failed(market: Marketplace, alice: Person) -> None:
    """erpc/erpc#831, x402-foundation/x402#721: the bill came without the goods."""

    async def fails(behaviour: Behaviour, status: int) -> None:
        async with market.agent(behaviour, price="0.2") as (agent, _):
            if behaviour is hangs:  # Nobody else here is to be in a hurry.
                limited = "UPDATE registry.agents SET limit_s = 3 WHERE id = $1"
                await market.system.rows(limited, agent)
            failed = await alice.call(agent)
        assert failed.status_code == status, failed.text

    await asyncio.gather(*(fails(*failure) for failure in FAILURES.values()))

    tasks = await alice.get("/api/tasks")
    assert [task["status"] for task in tasks] == ["failed"] * len(FAILURES)
    assert {task["totalCost"] for task in tasks} == {0}
    assert await alice.get("/api/payments/bazaarbucks") == []
    assert (await alice.wallet())["available"] == 100


async def test_every_success_but_200_was_taken_for_a_failure(
    market: Marketplace, alice: Person
) -> None:
    """An agent that answers 201 or 203 has worked, and is paid."""
    async with market.agent(says(answer("done"), 201), says(answer("done"), 203)) as (agent, does):
        called = [await alice.call(agent, number) for number in range(2)]

    assert [(one.status_code, one.json()["cost"]) for one in called] == [(200, 0.1)] * 2
    assert len(does.calls) == 2


async def test_one_unit_was_charged_whatever_the_size(market: Marketplace, alice: Person) -> None:
    """An agent that bills by the character is paid by the character."""

    async def by_the_character(call: Call, writer: asyncio.StreamWriter) -> None:
        bill = answer("done", len(call.payload["text"]) / 1000)
        await says(bill)(call, writer)

    async with market.agent(by_the_character, price="2") as (agent, _):
        costs = [
            (await alice.call(agent, size, payload={"text": "x" * size})).json()["cost"]
            for size in (1, 250, 1500)
        ]

    assert costs == [0.001, 0.25, 1.5]
    assert (await alice.wallet())["posted"] == 100 - 1.751


async def test_callers_named_the_price_that_they_paid(market: Marketplace, alice: Person) -> None:
    """Payment fields that a server takes from its client make the client the till."""
    cheap = {"negotiated_price": 0.0001, "offered_price": 0.0001, "cost": 0, "price": 0}
    async with market.agent(answers(cost="0.3"), price="0.3") as (agent, does):
        for field in ("cost", "price", "account", "amount", "stepId", "holdId", "agreedPrice"):
            odd: Json = {field: "0"}
            refused = await alice.call(agent, **odd)
            assert (refused.status_code, field in refused.json()["error"]) == (422, True)
        assert does.calls == []
        called = await alice.call(agent, payload={"text": "hello", **cheap})

    assert called.json()["cost"] == 0.3
    assert (await alice.wallet())["posted"] == 99.7


async def test_costs_were_added_up_by_label(market: Marketplace, alice: Person) -> None:
    """Two agents of one name were one line of the bill, so nobody saw whom was paid what."""
    skills = [f"vqlabel{alice.account[-6:]}{number}" for number in range(2)]
    async with (
        market.agent(answers("one", 0.1), name="Poet", skills=skills[:1]) as (first, _),
        market.agent(answers("two", 0.05), name="Poet", skills=skills[1:]) as (second, _),
    ):
        said = await alice.say(f"First {skills[0]} and then {skills[1]}: the sea")

    bill = said["message"]["costBreakdown"]
    of_agents = [line for line in bill["subtasks"] if line["agent"] == "Poet"]
    assert {line["agentId"]: line["cost"] for line in of_agents} == {first: 0.1, second: 0.05}
    assert round(sum(line["cost"] for line in bill["subtasks"]), 6) == bill["total"]


async def test_the_callers_credentials_were_sent_to_the_agent(
    market: Marketplace, alice: Person
) -> None:
    """agentic-community/mcp-gateway-registry#1391: an agent could act as its caller."""
    skill = f"vqheaders{alice.account[-6:]}"
    async with market.agent(skills=[skill]) as (agent, does):
        body = {"agentId": agent, "payload": {"text": "hello"}}
        called = await alice.first.post("/api/invoke-agent", json=body, headers=SECRETS)
        assert called.status_code == httpx.codes.OK, called.text
        wish = {"content": f"Please {skill}: the sea"}
        asked = await alice.second.post("/api/hubchat/message", json=wish, headers=SECRETS)
        assert asked.json()["message"]["content"] == "done"

    assert len(does.calls) == 2
    sent = str([dict(call.headers) for call in does.calls] + [call.payload for call in does.calls])
    assert "of-the-caller" not in sent
    for call in does.calls:
        assert {"authorization", "cookie", "x-api-key", "baggage"}.isdisjoint(call.headers)
    assert alice.first.headers["authorization"].removeprefix("Bearer ") not in sent


async def test_the_total_differed_from_the_pages(market: Marketplace, alice: Person) -> None:
    """What a receipt and a wallet say is the sum of all pages, whoever asks where meanwhile."""
    made = await alice.first.post("/api/tasks", json={"userQuery": "many", "maxBudget": 5})
    task = made.json()["id"]
    async with market.agent(answers(cost="0.1")) as (agent, _):
        await asyncio.gather(*(alice.call(agent, number, taskId=task) for number in range(12)))
        await alice.wallet()
        receipt = await alice.get(f"/api/tasks/{task}/receipt")

        async def pages(path: str) -> list[str]:
            ids: list[str] = []
            url: str | None = f"{path}?limit=5"
            while url is not None:
                page = await alice.at(len(ids)).get(url)
                ids += [one["id"] for one in page.json()]
                url = page.links.get("next", {}).get("url")
                assert (await alice.call(agent)).status_code == httpx.codes.OK
            return ids

        payments = await pages("/api/payments/bazaarbucks")
        steps = await pages(f"/api/tasks/{task}/steps")

    assert len(payments) == len(set(payments)) == len(steps) == len(set(steps)) == 12
    assert receipt["total"] == (await alice.get(f"/api/tasks/{task}"))["totalCost"] == 1.2
    assert json.dumps(receipt).count('"stepId"') == 12
