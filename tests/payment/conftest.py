"""A payment service in this process on the shared servers, and customers of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from nats.js import JetStreamContext

from chassis.service import Service
from payment_svc.app import build
from payment_svc.settings import Settings
from tests.payment.helpers import Customer, broken_books, by_admin, new_customer
from tests.support.stack import Stack, running
from tests.support.streams import jetstream

NewCustomer = Callable[[str], Awaitable[Customer]]


def payment_settings(stack: Stack, **more: object) -> Settings:
    """Nobody answers here what became of steps, so their holds may lie open for long."""
    own = {"nats_url": stack.nats_url, "database_url": stack.database_url("payment")}
    return Settings.model_validate({**own, "reconcile_s": 3_600, **more})


@pytest.fixture(scope="module")
async def payment(stack: Stack) -> AsyncIterator[Service]:
    """The service, running."""
    service = build(payment_settings(stack))
    async with running(service):
        yield service


@pytest.fixture(scope="session")
async def js(stack: Stack) -> AsyncIterator[JetStreamContext]:
    async with jetstream(stack.nats_url) as context:
        yield context


@pytest.fixture(scope="session")
async def sql(stack: Stack) -> AsyncIterator["asyncpg.Pool[Any]"]:
    """Connections with the rights of the payment service."""
    async with asyncpg.create_pool(stack.database_url("payment"), min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
async def customer(
    payment: Service, js: JetStreamContext, sql: "asyncpg.Pool[Any]"
) -> AsyncIterator[NewCustomer]:
    """Makes customers with a wallet; after the test the books must be right."""

    async def make(grant: str) -> Customer:
        return await new_customer(payment.database, by_admin(payment), js, sql, grant)

    yield make
    assert await broken_books(sql) == []
