"""Payments by hand and statements over the bus, with a platform fee."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from chassis.bus.envelopes import new_id
from chassis.service import Service
from contracts.errors import Conflict, Invalid, NotFound, PaymentRequired, Refusal
from contracts.ledger import (
    ENTER_PAYMENT,
    GET_WALLET,
    LIST_ENTRIES,
    GetWallet,
    ListEntries,
)
from payment_svc.app import build
from tests.payment.books_helpers import check, entered, money, payment_for
from tests.payment.conftest import NewCustomer, payment_settings
from tests.payment.helpers import Customer, by_admin, completed
from tests.support.stack import Stack, running

FEE = Decimal("0.1")


@pytest.fixture(scope="module")
async def payment(stack: Stack) -> AsyncIterator[Service]:
    """The service, keeping a tenth."""
    service = build(payment_settings(stack, platform_fee_rate=FEE))
    async with running(service):
        yield service
        assert await check(by_admin(service)) == []


async def refused(buyer: Customer, call: Any, request: Any) -> type[Refusal]:
    with pytest.raises(Refusal) as found:
        await buyer.ask(call, request)
    return found.type


async def test_a_payment_by_hand(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    request = entered(task, "1", max_budget="2")
    reply = (await buyer.ask(ENTER_PAYMENT, request)).payment
    assert (reply.id, reply.amount, reply.type) == (
        request.payment_id,
        Decimal("0.9"),
        "agent_payment",
    )
    assert (await buyer.ask(ENTER_PAYMENT, request)).payment == reply
    for change in ({"amount": Decimal(2)}, {"agent_id": "poet"}, {"task_id": new_id()}):
        other = request.model_copy(update=change)
        assert await refused(buyer, ENTER_PAYMENT, other) is Conflict
    stranger = await customer("10")
    # The id is free for them; the task is not theirs.
    assert await refused(stranger, ENTER_PAYMENT, request) is PaymentRequired
    assert (await stranger.wallet()).posted == 10
    assert (await buyer.wallet()).posted == 9
    assert await buyer.budget(task) == money(0, 1)
    assert len(await buyer.said(task, "payment.entered")) == 1


async def test_a_payment_by_hand_that_is_not_covered_leaves_nothing(customer: NewCustomer) -> None:
    buyer, task = await customer("1"), new_id()
    for request in (entered(task, "2", max_budget="1"), entered(task, "1.000001")):
        assert await refused(buyer, ENTER_PAYMENT, request) is PaymentRequired
        assert await buyer.status(request.payment_id) is None
    assert await buyer.budget(task) is None
    assert await buyer.events(task) == []
    assert (await buyer.wallet()).available == 1


async def test_a_payment_by_hand_takes_no_id_of_another_payment(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("4", task=task, budget="5")
    await buyer.told(completed(task, step, "1"))
    for id_ in (step, await payment_for(buyer.sql, step)):
        request = entered(task, "1", payment_id=id_, max_budget="5")
        assert await refused(buyer, ENTER_PAYMENT, request) is Conflict
    assert (await buyer.wallet()).posted == 9


async def test_a_statement_has_no_gaps_and_nothing_of_others(customer: NewCustomer) -> None:
    buyer, other, agent = await customer("10"), await customer("10"), new_id()
    for who in (buyer, other) * 4:
        await who.ask(ENTER_PAYMENT, entered(new_id(), "0.5", agent_id=agent))
    for name, due in (
        ("wallet", [Decimal("-0.5")] * 4 + [Decimal(10)]),
        (f"agent:{agent}", [Decimal("0.45")] * 4),
        (f"wallet:{other.account}", []),
        ("world", [Decimal(-10)]),
    ):
        seen: list[Any] = []
        cursor = None
        while True:
            request = ListEntries(ledger_account=name, limit=2, cursor=cursor)
            page = await buyer.ask(LIST_ENTRIES, request)
            assert len(page.entries) <= 2
            seen += page.entries
            if (cursor := page.next_cursor) is None:
                break
        assert [entry.amount for entry in seen] == due
        assert sorted({entry.id for entry in seen}, reverse=True) == [one.id for one in seen]


@pytest.mark.parametrize("cursor", ["nonsense", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
async def test_a_forged_cursor_is_refused(customer: NewCustomer, cursor: str) -> None:
    buyer = await customer("1")
    assert await refused(buyer, LIST_ENTRIES, ListEntries(cursor=cursor)) is Invalid


async def test_a_wallet_and_none(customer: NewCustomer) -> None:
    buyer = await customer("10")
    await buyer.hold("3", task=new_id())
    found = await buyer.ask(GET_WALLET, GetWallet())
    assert found.account == buyer.account
    assert (found.posted, found.held, found.available) == money(10, 3, 7)
    nobody = Customer(new_id(), buyer.bus, buyer.js, buyer.sql)
    assert await refused(nobody, GET_WALLET, GetWallet()) is NotFound


async def test_the_ledger_role_may_only_append(sql: "asyncpg.Pool[Any]") -> None:
    rights = {
        right: await sql.fetchval("SELECT has_table_privilege('payment.entries', $1)", right)
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
    }
    assert rights == {
        "SELECT": True, "INSERT": True, "UPDATE": False, "DELETE": False, "TRUNCATE": False
    }  # fmt: skip
    assert not await sql.fetchval("SELECT has_any_column_privilege('payment.entries', 'UPDATE')")
