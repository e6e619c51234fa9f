"""A payment service with the real rail pointed at the double, behind a real gateway.

It has servers of its own: on the shared ones other payment services take the same messages.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from chassis.bus.envelopes import new_id
from chassis.service import Service
from contracts.envelope import DEFAULT_ACCOUNT
from payment_svc.app import build
from tests.payment.cards_double import KEY, SECRET, StripeDouble, body_of, serving, signed
from tests.payment.conftest import payment_settings
from tests.payment.helpers import Customer, by_admin, completed, failed
from tests.support.gateways import gateway_settings, until_answered
from tests.support.gateways import serving as gateway_serving
from tests.support.polling import eventually
from tests.support.stack import Stack, new_stack, running
from tests.support.streams import jetstream, stored

FAST = {
    "card_poll_s": 0.3,
    "card_retry_s": 0.05,
    "card_retry_at_most_s": 0.2,
    # A machine that stands still interrupts an attempt; tests do not wait a minute for the next.
    "card_lease_s": 10,
}
WEBHOOK = "/api/payments/stripe/webhook"


def card_settings(stack: Stack, stripe_url: str, **more: object) -> Any:
    return payment_settings(
        stack,
        **{
            "stripe_api_key": KEY,
            "stripe_webhook_secret": SECRET,
            "stripe_api_base": stripe_url,
            **FAST,
            **more,
        },
    )


@dataclass
class CardSystem:
    """The double, the gateway's client, and somebody whose agents buy things."""

    stack: Stack
    double: StripeDouble
    payment: Service
    http: httpx.AsyncClient
    buyer: Customer

    async def bought(self, amount: str) -> str:
        """A step whose agent bought something; the id of its card payment."""
        task = new_id()
        step = await self.buyer.hold("20", task=task)
        await self.buyer.told(completed(task, step, "0.1", external_cost=amount, vendor="Shop"))
        found: str = await self.buyer.sql.fetchval(
            "SELECT id FROM stripe_payments WHERE step_id = $1", step
        )
        return found

    async def void(self, payment_id: str) -> str:
        """The step of a purchase comes to nothing after all; the id of the purchase's refund."""
        row = await self.row(payment_id)
        await self.buyer.told(failed(row["task_id"], row["step_id"]))
        return str(await eventually(lambda: self.refund_of(payment_id)))

    async def refund_of(self, payment_id: str) -> str:
        """The id of a purchase's only refund."""
        found: str = await self.buyer.sql.fetchval(
            "SELECT id FROM stripe_payments WHERE refund_of = $1", payment_id
        )
        return found

    async def row(self, payment_id: str) -> Any:
        return await self.buyer.sql.fetchrow(
            "SELECT * FROM stripe_payments WHERE id = $1", payment_id
        )

    async def until(self, payment_id: str, status: str, note: str = "") -> Any:
        """Wait until a card payment has this status and a note with these words."""

        async def so() -> Any:
            row = await self.row(payment_id)
            return row if row and row["status"] == status and note in (row["note"] or "") else None

        return await eventually(so)

    async def shown(self, payment_id: str) -> Any:
        """The payment as the API lists it."""
        listed = (await self.http.get("/api/payments/stripe?limit=500")).json()
        return next(one for one in listed if one["id"] == payment_id)

    async def post(self, event: dict[str, Any], **how: Any) -> httpx.Response:
        """Send an event to the webhook, signed unless told otherwise."""
        body = body_of(event)
        return await self.send(body, signed(body, **how))

    async def send(self, body: bytes, signature: str | None) -> httpx.Response:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if signature is not None:
            headers["Stripe-Signature"] = signature
        return await self.http.post(WEBHOOK, content=body, headers=headers)

    async def handled(self, event: dict[str, Any]) -> str:
        """Wait until a stored event was handled; what came of it."""

        async def outcome() -> str | None:
            found: str | None = await self.buyer.sql.fetchval(
                "SELECT outcome FROM stripe_events WHERE id = $1 AND next_attempt_at IS NULL",
                event["id"],
            )
            return found

        return str(await eventually(outcome))

    async def taken(self, event: dict[str, Any]) -> str:
        """Send an event and wait until it was handled."""
        answer = await self.post(event)
        assert answer.status_code == 200, answer.text
        return await self.handled(event)

    async def stored_events(self) -> int:
        return int(await self.buyer.sql.fetchval("SELECT count(*) FROM stripe_events"))

    async def told(self, payment_id: str, entity: str, count: int = 2) -> list[str]:
        """The statuses of a card payment as its events told them, in order, once so many did."""
        subject = f"bazaar.evt.stripe_payment.updated.{entity}"

        async def so_many() -> list[str]:
            found = await stored(self.buyer.js, "EVENTS", subject)
            said = [one.body["status"] for one in found if one.body["paymentId"] == payment_id]
            return said if len(said) >= count else []

        return await eventually(so_many)


@contextlib.asynccontextmanager
async def card_system() -> AsyncIterator[CardSystem]:
    double = StripeDouble()
    async with contextlib.AsyncExitStack() as open_:
        stack = await open_.enter_async_context(new_stack())
        stripe_url = await open_.enter_async_context(serving(double))
        payment = build(card_settings(stack, stripe_url, wallet_grant="100000"))
        await open_.enter_async_context(running(payment))
        served = open_.enter_context(gateway_serving(gateway_settings(stack.nats_url)))
        http = await open_.enter_async_context(served.client())
        await until_answered(http, "/ready", 200)
        js = await open_.enter_async_context(jetstream(stack.nats_url))
        sql = await open_.enter_async_context(
            asyncpg.create_pool(stack.database_url("payment"), min_size=1, max_size=4)
        )
        buyer = Customer(DEFAULT_ACCOUNT, by_admin(payment), js, sql)
        yield CardSystem(stack, double, payment, http, buyer)
