"""What is spent at once: budgets and wallets that were overspent, or doubled."""

import asyncio
from collections import Counter
from typing import Any

import httpx

from chassis.bus.envelopes import new_id
from contracts.ledger import OPEN_WALLET
from tests.complaints.system import Marketplace, Person
from tests.support.polling import eventually
from tests.support.scripted_agent import answers

CALLS = 50


async def insisting(person: Person, agent_id: str, number: int = 0, **more: Any) -> httpx.Response:
    """Call an agent; again with the same key, as long as this machine has too much to do.

    What was given up may still be under way: 409 until it has ended.
    """
    key = new_id()
    while True:
        answer = await person.call(agent_id, number, key, **more)
        if answer.status_code not in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.CONFLICT):
            return answer
        assert answer.headers["retry-after"]
        await asyncio.sleep(0.1)


async def test_parallel_calls_overspent_the_wallet(market: Marketplace) -> None:
    """BerriAI/litellm#34732, BerriAI/litellm#26672, envoyproxy/ai-gateway#680.

    Each request was let through by a check that the others had not been added to yet.
    """
    person = await market.person("1")
    async with market.agent(answers(cost="0.3"), price="0.3") as (agent, does):
        outcomes = await asyncio.gather(*(insisting(person, agent, n) for n in range(CALLS)))

    assert Counter(answer.status_code for answer in outcomes) == {200: 3, 402: CALLS - 3}
    assert len(does.calls) == 3
    refusal = next(answer.json()["error"] for answer in outcomes if answer.status_code == 402)
    assert "wallet" in refusal
    wallet = await person.wallet()
    assert (wallet["posted"], wallet["available"], wallet["owed"]) == (0.1, 0.1, 0)


async def test_parallel_calls_overspent_the_budget_of_a_task(
    market: Marketplace, alice: Person
) -> None:
    """BerriAI/litellm#34732: the same for the budget of one task, with a full wallet."""
    made = await alice.first.post("/api/tasks", json={"userQuery": "all at once", "maxBudget": 1})
    task = made.json()["id"]
    async with market.agent(answers(cost="0.3"), price="0.3") as (agent, does):
        calls = (insisting(alice, agent, n, taskId=task) for n in range(CALLS))
        outcomes = await asyncio.gather(*calls)

    assert Counter(answer.status_code for answer in outcomes) == {200: 3, 402: CALLS - 3}
    assert len(does.calls) == 3
    assert (await alice.get(f"/api/tasks/{task}"))["totalCost"] == 0.9
    assert (await alice.wallet())["posted"] == 99.1


async def test_the_first_requests_of_a_new_account_passed_its_budget(market: Marketplace) -> None:
    """BerriAI/litellm#40095: whoever was not known yet had no budget, or several.

    Here a key opens the wallet before it can be used, and opening it again grants nothing.
    """
    person = await market.person(grant=None)
    async with market.agent(answers(cost="0.3"), price="0.3") as (agent, does):
        opening = (market.system.ask(OPEN_WALLET, person.account, grant=1) for _ in range(4))
        calls = (insisting(person, agent, number) for number in range(20))
        answered, _ = await asyncio.gather(asyncio.gather(*calls), asyncio.gather(*opening))

    statuses = Counter(answer.status_code for answer in answered)
    assert statuses == {200: 3, 402: 17}
    assert len(does.calls) == 3
    lines = await person.get("/api/ledger", account="wallet")
    assert [line["amount"] for line in lines if line["kind"] == "grant"] == [1]
    assert (await person.wallet())["available"] == 0.1


async def test_callers_who_hung_up_left_their_reservations_behind(
    market: Marketplace, alice: Person
) -> None:
    """BerriAI/litellm#30522, mozilla-ai/otari#128, Routstr/routstr-core#291.

    What was set aside for a request that nobody waited for any more was never free again.
    """
    async with market.agent(answers(cost="0.1"), price="0.5") as (agent, _):

        async def hang_up(number: int) -> None:
            calling = asyncio.create_task(alice.call(agent, number))
            await asyncio.wait({calling}, timeout=number * 0.01)
            calling.cancel()
            await asyncio.wait({calling})

        await asyncio.gather(*(hang_up(number) for number in range(40)))

        async def all_ended() -> bool:
            tasks = await alice.get("/api/tasks")
            ended = [task["status"] in ("completed", "failed") for task in tasks]
            return all(ended) and (await alice.get("/api/wallet"))["held"] == 0

        await eventually(all_ended)
    paid = await alice.get("/api/payments/bazaarbucks")
    wallet = await alice.wallet()
    assert round(100 - sum(one["amount"] for one in paid), 6) == wallet["available"]
