"""Stripe away, payment services killed in the middle of a charge, and what the log shows then."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from faststream.nats import NatsBroker

from chassis.bus.calls import Bus
from chassis.bus.envelopes import new_id
from contracts.envelope import DEFAULT_ACCOUNT
from contracts.users import ADMIN
from deploy.local.ports import free_port
from tests.payment.cards_double import KEY, SECRET, StripeDouble, serving
from tests.payment.cards_system import FAST
from tests.payment.helpers import Customer, completed, failed
from tests.support.polling import eventually
from tests.support.processes import ServiceProcess, process
from tests.support.stack import Stack, new_stack
from tests.support.streams import jetstream


@dataclass
class Place:
    """Servers of our own, and a buyer on them."""

    stack: Stack
    buyer: Customer

    @contextlib.asynccontextmanager
    async def service(self, stripe_url: str, **more: object) -> AsyncIterator[ServiceProcess]:
        """`python -m payment_svc` with the real rail, ready to work."""
        settings = {
            "DATABASE_URL": self.stack.database_url("payment"),
            "NATS_URL": self.stack.nats_url,
            "STRIPE_API_KEY": KEY,
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_API_BASE": stripe_url,
            "LOG_LEVEL": "DEBUG",
            **{name.upper(): value for name, value in FAST.items()},
            **more,
        }
        async with process("payment_svc", **settings) as service:
            await eventually(service.is_ready)
            yield service

    async def buys(self, amount: str) -> str:
        """A step whose agent bought something; the step's id."""
        task = new_id()
        step = await self.buyer.hold("20", task=task)
        await self.buyer.told(completed(task, step, "0.1", external_cost=amount))
        return step

    async def until(self, step: str, status: str, note: str = "") -> asyncpg.Record:
        """Wait until the step's one card payment is like this."""

        async def so() -> asyncpg.Record | None:
            rows = await self.buyer.sql.fetch(
                "SELECT * FROM stripe_payments WHERE step_id = $1 AND refund_of IS NULL", step
            )
            assert len(rows) == 1
            right = rows[0]["status"] == status and note in (rows[0]["note"] or "")
            return rows[0] if right else None

        return await eventually(so)

    async def refund(self, step: str, status: str) -> asyncpg.Record:
        """Wait until the refund of the step's purchase has this status."""

        async def so() -> asyncpg.Record | None:
            return await self.buyer.sql.fetchrow(
                "SELECT * FROM stripe_payments WHERE step_id = $1 AND refund_of IS NOT NULL"
                " AND status = $2",
                step,
                status,
            )

        return await eventually(so)


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    async with contextlib.AsyncExitStack() as open_:
        stack = await open_.enter_async_context(new_stack())
        broker = NatsBroker(stack.nats_url, logger=None)
        open_.push_async_callback(broker.stop)
        js = await open_.enter_async_context(jetstream(stack.nats_url))
        sql = await open_.enter_async_context(
            asyncpg.create_pool(stack.database_url("payment"), min_size=1, max_size=2)
        )
        yield Place(stack, Customer(DEFAULT_ACCOUNT, Bus(broker, ADMIN), js, sql))


async def test_a_kill_between_the_charge_and_the_commit_charges_once(place: Place) -> None:
    double = StripeDouble(holding=asyncio.Event())
    async with serving(double) as url:
        async with place.service(url, CARD_LEASE_S=0.5) as service:
            step = await place.buys("6")

            async def charged() -> bool:
                return bool(double.intents)

            await eventually(charged)
            service.kill()
        before = await place.until(step, "pending")
        assert before["intent_id"] is None
        assert double.holding is not None
        double.holding.set()
        double.holding = None
        async with place.service(url, CARD_LEASE_S=0.5):
            row = await place.until(step, "completed")
    (intent,) = double.intents.values()
    assert row["intent_id"] == intent["id"]
    assert double.charged(row["id"]) == [600]
    assert double.calls[f"step-{step}"] >= 2
    assert double.problems == []


async def test_a_kill_between_the_refund_and_the_commit_refunds_once(place: Place) -> None:
    double = StripeDouble()
    async with serving(double) as url:
        async with place.service(url, CARD_LEASE_S=0.5) as service:
            step = await place.buys("5")
            bought = await place.until(step, "completed")
            double.holding = asyncio.Event()
            await place.buyer.told(failed(bought["task_id"], step))

            async def given_back() -> bool:
                return bool(double.refunds)

            await eventually(given_back)
            service.kill()
        double.holding.set()
        double.holding = None
        async with place.service(url, CARD_LEASE_S=0.5):
            refund = await place.refund(step, "completed")
    assert refund["intent_id"] == next(iter(double.refunds))
    assert double.given_back(refund["id"]) == [500]
    assert double.calls[f"refund-{step}"] == 1
    assert double.looks["/v1/refunds"] == 2  # It was found, and not asked for again.
    assert double.problems == []


async def test_purchases_wait_while_stripe_is_away_and_no_secret_is_logged(place: Place) -> None:
    port = free_port()
    double = StripeDouble()
    async with place.service(f"http://127.0.0.1:{port}") as service:
        step = await place.buys("7")
        row = await place.until(step, "pending", "cannot be reached")
        assert row["next_attempt_at"] is not None
        assert await place.buyer.status(step) == "captured"
        async with serving(double, port):
            row = await place.until(step, "completed")
        assert row["attempts"] > 1
        assert double.charged(row["id"]) == [700]
        said = service.text()
    assert "cannot be reached" in said
    assert row["id"] in said
    assert KEY not in said
    assert SECRET not in said
