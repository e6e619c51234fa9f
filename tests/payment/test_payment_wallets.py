"""Wallets: opened once, with one grant, whoever starts how often."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
from nats.js import JetStreamContext

from chassis.bus.envelopes import new_id
from payment_svc.app import build
from payment_svc.ledger.wallets import open_wallet
from tests.payment.conftest import NewCustomer, payment_settings
from tests.payment.helpers import Balance, broken_books
from tests.support.polling import eventually
from tests.support.stack import Stack, running
from tests.support.streams import stored


async def balance(sql: "asyncpg.Pool[Any]", account: str) -> list[Balance]:
    rows = await sql.fetch(
        "SELECT posted, held FROM ledger_accounts WHERE id = $1", f"wallet:{account}"
    )
    return [Balance(row["posted"], row["held"]) for row in rows]


async def test_replicas_that_start_at_once_open_a_wallet_once(
    stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]"
) -> None:
    account = new_id()
    replicas = [
        build(payment_settings(stack, wallet_account=account, wallet_grant="12.5", database_pool=2))
        for _ in range(3)
    ]
    await asyncio.gather(*(replica.start() for replica in replicas))
    subject = f"bazaar.evt.wallet.credited.{account}"
    [credited] = await eventually(lambda: stored(js, "EVENTS", subject))
    await asyncio.gather(*(replica.stop() for replica in replicas))
    assert credited.body == {"account": account, "amount": "12.5", "reason": "grant"}
    assert credited.headers["ce-account"] == account
    assert await balance(sql, account) == [Balance(Decimal("12.5"), Decimal(0))]

    again = build(payment_settings(stack, wallet_account=account, wallet_grant="99"))
    async with running(again):  # A later start with another grant gives nothing.
        assert await balance(sql, account) == [Balance(Decimal("12.5"), Decimal(0))]
    assert len(await stored(js, "EVENTS", subject)) == 1
    assert await broken_books(sql) == []


async def test_a_wallet_opened_by_many_at_once_is_opened_by_one(
    customer: NewCustomer, stack: Stack, sql: "asyncpg.Pool[Any]"
) -> None:
    await customer("1")
    service = build(payment_settings(stack))
    account = new_id()
    opened = await asyncio.gather(
        *(open_wallet(service.database, account, Decimal(3)) for _ in range(10))
    )
    await service.stop()
    assert sorted(opened) == [False] * 9 + [True]
    assert await balance(sql, account) == [Balance(Decimal(3), Decimal(0))]


async def test_a_wallet_may_be_empty(customer: NewCustomer) -> None:
    buyer = await customer("0")
    assert await buyer.wallet() == Balance(Decimal(0), Decimal(0))
