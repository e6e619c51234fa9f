"""The books over HTTP: a gateway with the real registry, task and payment services behind it."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest
from nats.js import JetStreamContext

from chassis.bus.envelopes import new_id
from contracts.ledger import PaymentRefunded
from payment_svc.app import build
from tests.payment.conftest import payment_settings
from tests.payment.helpers import Customer, by_admin, new_customer
from tests.support.gateways import assert_problem, gateway_settings, serving, until_answered
from tests.support.polling import eventually
from tests.support.scripted_agent import ScriptedAgent, answers
from tests.support.services import registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System

FEE = 0.1


@dataclass
class Shop:
    """A customer's browser, and what it looks at behind the counter."""

    http: httpx.AsyncClient
    buyer: Customer
    agent: str

    async def task(self, budget: float = 10) -> str:
        body = {"userQuery": "x", "requiredSkills": [], "maxBudget": budget}
        made = await self.http.post("/api/tasks", json=body)
        assert made.is_success, made.text
        found: str = made.json()["id"]
        return found

    async def invoke(self, task: str) -> dict[str, Any]:
        body = {"agentId": self.agent, "payload": {"text": "hi"}, "taskId": task}
        found = await self.http.post("/api/invoke-agent", json=body)
        assert found.is_success, found.text
        answer: dict[str, Any] = found.json()
        return answer

    async def pay(self, task: str, amount: Any = 1, **more: Any) -> httpx.Response:
        body = {"taskId": task, "agentId": self.agent, "amount": amount, **more}
        return await self.http.post("/api/payments/bazaarbucks", json=body)

    async def refund(self, payment: str, **body: Any) -> httpx.Response:
        return await self.http.post(f"/api/payments/bazaarbucks/{payment}/refund", json=body)

    async def payment(self, step: str) -> str:
        """The payment for a step, once it was captured."""
        query = "SELECT id FROM bazaarbucks_payments WHERE step_id=$1 AND type='agent_payment'"
        found: str = await eventually(lambda: self.buyer.sql.fetchval(query, step))
        return found

    async def costs(self, task: str, total: float) -> None:
        """Wait until task and receipt, which other services keep, say this; so do the steps."""

        async def so() -> bool:
            found = (await self.http.get(f"/api/tasks/{task}")).json()
            receipt = (await self.http.get(f"/api/tasks/{task}/receipt")).json()
            return bool(found["totalCost"] == receipt["total"] == total)

        await eventually(so)
        steps = (await self.http.get(f"/api/tasks/{task}/steps")).json()
        cost = sum(Decimal(str(s["cost"])) + Decimal(str(s["externalCost"])) for s in steps)
        assert float(cost) == total
        receipt = (await self.http.get(f"/api/tasks/{task}/receipt")).json()
        assert {line["stepId"] for line in receipt["lines"]} == {s["id"] for s in steps}


@pytest.fixture(scope="module")
async def shop(stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]") -> AsyncIterator[Shop]:
    payment = build(payment_settings(stack, platform_fee_rate=FEE))
    async with (
        running(registry_service(stack), payment, task_service(stack)),
        ScriptedAgent(answers(cost=0.2)) as scripted,
    ):
        buyer = await new_customer(payment.database, by_admin(payment), js, sql, "100")
        agent = f"agent-{new_id()[:12]}"
        await System(stack, payment, by_admin(payment)).list_agent(agent, scripted.url, price="0.2")
        with serving(gateway_settings(stack.nats_url, default_account=buyer.account)) as served:
            async with served.client() as http:
                await until_answered(http, "/ready", 200)
                yield Shop(http, buyer, agent)
                check = (await http.get("/api/ledger/check")).json()
                assert check["ok"], check


async def test_a_refund_lowers_the_cost_of_step_and_task(shop: Shop) -> None:
    task = await shop.task(budget=0.35)
    step = (await shop.invoke(task))["stepId"]
    payment = await shop.payment(step)
    part = await shop.refund(payment, amount=0.05)
    assert part.is_success, part.text
    assert (part.json()["amount"], part.json()["type"]) == (0.05, "refund")
    await shop.costs(task, 0.15)
    await shop.invoke(task)  # Which the budget had no room for.
    await shop.costs(task, 0.35)
    assert (await shop.refund(payment)).json()["amount"] == 0.15
    await shop.costs(task, 0.2)
    assert_problem(await shop.refund(payment), 409)
    assert_problem(await shop.refund(payment, amount=0.01), 409)


async def test_a_payment_by_hand_is_a_step_of_its_task(shop: Shop) -> None:
    task = await shop.task()
    await shop.invoke(task)
    id_ = new_id()
    made = await shop.pay(task, 1.25, paymentId=id_)
    assert made.is_success, made.text
    assert (made.json()["id"], made.json()["amount"]) == (id_, 1.125)
    await shop.costs(task, 1.45)
    assert (await shop.pay(task, 1.25, paymentId=id_)).json() == made.json()
    assert_problem(await shop.pay(task, 1.26, paymentId=id_), 409)
    await shop.costs(task, 1.45)
    listed = (await shop.http.get("/api/payments/bazaarbucks?limit=500")).json()
    assert [one["id"] for one in listed].count(id_) == 1
    assert (await shop.refund(id_)).json()["amount"] == 1.25
    await shop.costs(task, 0.2)


async def test_payments_by_hand_keep_to_the_budget_and_the_wallet(shop: Shop) -> None:
    small, large = await shop.task(budget=1), await shop.task(budget=1000)
    assert_problem(await shop.pay(small, 1.01), 402, "budget")
    assert_problem(await shop.pay(large, 500), 402, "wallet")
    assert_problem(await shop.pay(new_id()), 404, "Task")
    assert_problem(await shop.pay(large, agentId="nobody-at-all"), 404, "Agent")
    for task in (small, large):
        await shop.costs(task, 0)


async def test_a_refund_that_is_heard_of_before_its_payment(shop: Shop) -> None:
    """Events of two kinds come in any order; the task's cost must come out right."""
    task, id_ = await shop.task(), new_id()
    event = PaymentRefunded(
        task_id=task, payment_id=id_, refund_id=new_id(), step_id=id_,
        agent_id=shop.agent, amount=Decimal("0.5"),
    )  # fmt: skip
    await shop.buyer.tell(event)

    async def came_to_nothing() -> bool:
        info = await shop.buyer.js.consumer_info("EVENTS", "task-payment-refunded")
        return bool(info.num_ack_pending or info.num_redelivered)

    await eventually(came_to_nothing)
    assert (await shop.http.get(f"/api/tasks/{task}")).json()["totalCost"] == 0
    # The same as if the refund had come through the payment service a moment later.
    assert (await shop.pay(task, 1, paymentId=id_)).is_success

    async def lowered() -> bool:
        return bool((await shop.http.get(f"/api/tasks/{task}")).json()["totalCost"] == 0.5)

    await eventually(lowered)


BAD_AMOUNTS = [
    "0", "-1", "0.0000001", "1000000.000001", "1e999", "NaN", "Infinity", "null", "true", '"x"',
    '"NaN"', '"1e7"', "[]", "{}", '""', "1000001", "-0.0", "1e-7",
]  # fmt: skip


@pytest.mark.parametrize("amount", BAD_AMOUNTS)
async def test_amounts_that_are_none(shop: Shop, amount: str) -> None:
    task, json = await shop.task(), {"content-type": "application/json"}
    body = f'{{"taskId": "{task}", "agentId": "{shop.agent}", "amount": {amount}}}'
    pay = await shop.http.post("/api/payments/bazaarbucks", content=body, headers=json)
    assert pay.status_code in (400, 422) if amount in ("NaN", "Infinity") else 422, pay.text
    assert not pay.is_success
    assert_problem(pay, pay.status_code)
    if amount != "null":  # All that is left.
        where = f"/api/payments/bazaarbucks/{new_id()}/refund"
        back = await shop.http.post(where, content=f'{{"amount": {amount}}}', headers=json)
        assert_problem(back, pay.status_code)
    await shop.costs(task, 0)


async def test_what_cannot_be_refunded(shop: Shop) -> None:
    task = await shop.task()
    id_ = (await shop.pay(task, 1)).json()["id"]
    assert_problem(await shop.refund(id_, amount=1.000001), 422)
    refund = (await shop.refund(id_, amount=0.5)).json()
    fee = await shop.buyer.sql.fetchval(
        "SELECT id FROM bazaarbucks_payments WHERE step_id=$1 AND type='platform_fee'", id_
    )
    assert_problem(await shop.refund(refund["id"]), 422)
    assert_problem(await shop.refund(fee), 422)
    assert_problem(await shop.refund(new_id()), 404)
    assert_problem(await shop.refund("no id.*>"), 404)
    await shop.costs(task, 0.5)


async def test_wallet_and_statement(shop: Shop) -> None:
    task = await shop.task()
    for _ in range(3):
        assert (await shop.pay(task, 0.5)).is_success
    wallet = (await shop.http.get("/api/wallet")).json()
    assert wallet["account"] == shop.buyer.account
    assert wallet["available"] == pytest.approx(wallet["posted"] - wallet["held"])
    lines: list[Any] = []
    where = "/api/ledger?limit=2"
    while where:
        answer = await shop.http.get(where)
        assert answer.is_success, answer.text
        lines += answer.json()
        link = re.match(r"<(.+)>; rel=\"next\"", answer.headers.get("link", ""))
        where = link[1] if link else ""
    assert sum(Decimal(str(line["amount"])) for line in lines) == Decimal(str(wallet["posted"]))
    assert len({line["id"] for line in lines}) == len(lines)
    assert lines[-1]["kind"] == "grant"
    assert_problem(await shop.http.get("/api/ledger?cursor=x"), 422)
    assert_problem(await shop.http.get("/api/ledger?account=%00"), 422)
    assert_problem(await shop.http.get(f"/api/ledger?account={'x' * 81}"), 422)
    assert (await shop.http.get("/api/ledger?account=wallet:demo")).json() == []
    assert_problem(await shop.http.get(f"/api/tasks/{new_id()}/receipt"), 404)


async def test_an_account_without_a_wallet(shop: Shop, stack: Stack) -> None:
    with serving(gateway_settings(stack.nats_url, default_account=new_id())) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
            assert_problem(await http.get("/api/wallet"), 404, "Wallet")
            assert (await http.get("/api/ledger")).json() == []
            stranger = Shop(http, shop.buyer, shop.agent)
            task = await shop.task()
            id_ = (await shop.pay(task, 1)).json()["id"]
            assert_problem(await stranger.refund(id_), 404)
            assert_problem(await stranger.pay(task), 404)
            assert_problem(await http.get(f"/api/tasks/{task}/receipt"), 404)
            assert_problem(await stranger.pay(await stranger.task()), 402)
