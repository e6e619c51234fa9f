"""What is enforced is what is recorded, over all services; last, so that it sees all of it."""

import asyncio
from decimal import Decimal

import httpx

from tests.complaints.system import Marketplace, Person
from tests.gateway.credentials import make_key
from tests.support.clients import http_client
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, hangs_up, is_busy

UNEVEN = """
    WITH
     done AS (SELECT id, cost, external_cost FROM task.steps WHERE status = 'completed'),
     paid AS (SELECT step_id AS id, sum(CASE WHEN type = 'refund' THEN -amount ELSE amount END) AS n
              FROM payment.bazaarbucks_payments GROUP BY 1),
     bought AS (SELECT step_id AS id, sum(amount) AS n FROM payment.stripe_payments
                WHERE type = 'card_spend' GROUP BY 1)
    SELECT id, 'paid' AS what, cost, n FROM done FULL JOIN paid USING (id)
      WHERE coalesce(cost, 0) <> coalesce(n, 0)
    UNION ALL SELECT id, 'bought', external_cost, n FROM done FULL JOIN bought USING (id)
      WHERE coalesce(external_cost, 0) <> coalesce(n, 0)
"""
"""Completed steps without their payments, and payments without their steps."""
HELD = "SELECT count(*) AS n FROM payment.holds WHERE status = 'held'"
OPEN = "SELECT count(*) AS n FROM task.steps WHERE status IN ('pending', 'in_progress')"


async def test_the_spend_that_is_enforced_was_not_the_one_that_is_recorded(
    market: Marketplace, alice: Person
) -> None:
    """BerriAI/litellm#40050: the budget counted 111, the records said 55."""
    skill = f"vqsum{alice.account[-6:]}"
    async with (
        market.agent(answers(cost="0.123457"), skills=[skill], price="0.123457") as (good, _),
        market.agent(is_busy(), hangs_up, answers(cost="0.05"), price="0.2") as (shaky, _),
    ):
        calls = [alice.call((good, shaky)[number % 2], number // 2) for number in range(20)]
        wishes = [alice.say(f"Please {skill}: the sea {number}", number) for number in range(4)]
        await asyncio.gather(*calls, *wishes)

    wallet = await alice.wallet()
    lines = await alice.get("/api/ledger", account="wallet", limit=500)
    tasks = await alice.get("/api/tasks", limit=500)
    receipts = [await alice.get(f"/api/tasks/{task['id']}/receipt") for task in tasks]
    payments = await alice.get("/api/payments/bazaarbucks", limit=500)
    assert len(tasks) == 24
    assert [task["totalCost"] for task in tasks] == [receipt["total"] for receipt in receipts]
    spent = sum(Decimal(str(task["totalCost"])) for task in tasks)
    assert spent == sum(Decimal(str(payment["amount"])) for payment in payments) > 1
    posted = Decimal(str(wallet["posted"]))
    assert posted == 100 - spent == sum(Decimal(str(line["amount"])) for line in lines)


async def test_a_row_of_spend_was_dropped_silently(market: Marketplace, alice: Person) -> None:
    """BerriAI/litellm#36426: after everything in this folder, by the tables of two services."""
    async with market.agent() as (agent, _):
        assert (await alice.call(agent)).status_code == httpx.codes.OK

    async def settled() -> bool:
        return [(await market.system.rows(query))[0]["n"] for query in (HELD, OPEN)] == [0, 0]

    await eventually(settled)

    async def even() -> bool:
        return not await market.system.rows(UNEVEN)

    await eventually(even)
    admin = await make_key(market.stack.nats_url, alice.account, "--scopes", "read,admin")
    async with http_client(base_url=market.urls[1], trust_env=False, timeout=30) as http:
        headers = {"authorization": f"Bearer {admin}"}
        found = await http.get("/api/ledger/check?full=true", headers=headers)
    assert (found.status_code, found.json()["ok"]) == (httpx.codes.OK, True), found.text
