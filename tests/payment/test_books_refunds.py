"""Refunds and receipts over the bus, with a platform fee."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from chassis.service import Service
from contracts.errors import Conflict, Invalid, NotFound, PaymentRequired, Refusal
from contracts.ledger import (
    ENTER_PAYMENT,
    GET_RECEIPT,
    REFUND_PAYMENT,
    GetReceipt,
)
from payment_svc.app import build
from tests.payment.books_helpers import check, entered, money, payment_for, refund_of
from tests.payment.conftest import NewCustomer, payment_settings
from tests.payment.helpers import Customer, by_admin, completed, failed
from tests.support.stack import Stack, running

FEE = Decimal("0.1")


@pytest.fixture(scope="module")
async def payment(stack: Stack) -> AsyncIterator[Service]:
    """The service, keeping a tenth."""
    service = build(payment_settings(stack, platform_fee_rate=FEE))
    async with running(service):
        yield service
        assert await check(by_admin(service)) == []


async def paid(buyer: Customer, cost: str = "1", **more: Any) -> tuple[str, str, str]:
    """A step that was paid: its task, its own id, its payment's."""
    task = new_id()
    step = await buyer.hold("4", task=task, budget="5")
    await buyer.told(completed(task, step, cost, **more))
    return task, step, await payment_for(buyer.sql, step)


async def refused(buyer: Customer, call: Any, request: Any) -> type[Refusal]:
    with pytest.raises(Refusal) as found:
        await buyer.ask(call, request)
    return found.type


async def balance(buyer: Customer, name: str) -> Decimal:
    found = await buyer.sql.fetchval("SELECT posted FROM ledger_accounts WHERE id = $1", name)
    return Decimal(found or 0)


async def test_a_fee_is_taken_from_the_agents_pay(customer: NewCustomer) -> None:
    buyer, agent = await customer("10"), new_id()
    task, step, _ = await paid(buyer, "0.123456", agent_id=agent, external_cost="1")
    rows = await buyer.sql.fetch(
        "SELECT type, amount FROM bazaarbucks_payments WHERE step_id = $1 ORDER BY 1", step
    )
    kept, got = Decimal("0.012345"), Decimal("0.111111")
    assert [tuple(row) for row in rows] == [("agent_payment", got), ("platform_fee", kept)]
    assert await balance(buyer, f"agent:{agent}") == got
    assert (await buyer.wallet()).posted == 10 - Decimal("1.123456")
    assert await buyer.budget(task) == money(0, "1.123456")


async def test_a_full_refund_takes_everything_back(customer: NewCustomer) -> None:
    buyer, agent = await customer("10"), new_id()
    task, step, payment = await paid(buyer, agent_id=agent, external_cost="0.5")
    request = refund_of(payment)
    reply = (await buyer.ask(REFUND_PAYMENT, request)).payment
    assert (reply.id, reply.type) == (request.refund_id, "refund")
    assert reply.amount == 1
    assert (reply.task_id, reply.agent_id) == (task, agent)
    assert await balance(buyer, f"agent:{agent}") == 0
    assert (await buyer.wallet()).posted == 10  # What the agent bought came back as well.
    assert await buyer.budget(task) == money(0, 0)
    event = (await buyer.event(task, "payment.refunded")).body
    assert event == {
        "taskId": task,
        "paymentId": payment,
        "refundId": request.refund_id,
        "stepId": step,
        "agentId": agent,
        "amount": "1.000000",
        "externalAmount": "0.500000",
    }
    assert (await buyer.ask(REFUND_PAYMENT, request)).payment == reply
    assert await refused(buyer, REFUND_PAYMENT, refund_of(payment)) is Conflict
    assert await refused(buyer, REFUND_PAYMENT, refund_of(payment, "0.5")) is Conflict
    assert len(await buyer.said(task, "payment.refunded")) == 1


async def test_a_refund_in_parts_never_gives_more_than_was_paid(customer: NewCustomer) -> None:
    buyer = await customer("10")
    _, step, payment = await paid(buyer, "1")
    for part in ("0.333333", "0.333333"):
        await buyer.ask(REFUND_PAYMENT, refund_of(payment, part))
    assert await refused(buyer, REFUND_PAYMENT, refund_of(payment, "0.333335")) is Invalid
    last = (await buyer.ask(REFUND_PAYMENT, refund_of(payment))).payment
    assert last.amount == Decimal("0.333334")
    assert (await buyer.wallet()).posted == 10
    fees = "SELECT sum(amount) FROM entries WHERE step_id=$1 AND ledger_account='platform_fees'"
    assert await buyer.sql.fetchval(fees, step) == 0


async def test_only_what_an_agent_was_paid_can_be_refunded(customer: NewCustomer) -> None:
    buyer, stranger = await customer("10"), await customer("10")
    _, step, payment = await paid(buyer)
    refund = (await buyer.ask(REFUND_PAYMENT, refund_of(payment, "0.1"))).payment
    fee = await buyer.sql.fetchval(
        "SELECT id FROM bazaarbucks_payments WHERE step_id=$1 AND type='platform_fee'", step
    )
    assert await refused(buyer, REFUND_PAYMENT, refund_of(fee)) is Invalid
    assert await refused(buyer, REFUND_PAYMENT, refund_of(refund.id)) is Invalid
    assert await refused(buyer, REFUND_PAYMENT, refund_of(new_id())) is NotFound
    assert await refused(stranger, REFUND_PAYMENT, refund_of(payment)) is NotFound
    assert (await buyer.wallet()).posted == Decimal("9.1")


async def test_a_refund_id_is_used_once(customer: NewCustomer) -> None:
    buyer, stranger = await customer("10"), await customer("10")
    _, _, first = await paid(buyer)
    _, _, second = await paid(buyer)
    _, _, others = await paid(stranger)
    used = refund_of(first, "0.25")
    await buyer.ask(REFUND_PAYMENT, used)
    id_ = used.refund_id
    for again in (
        refund_of(first, "0.26", refund_id=id_),
        refund_of(first, refund_id=id_),  # All that is left would be another amount.
        refund_of(second, "0.25", refund_id=id_),
        refund_of(second, "0.25", refund_id=first),
    ):
        assert await refused(buyer, REFUND_PAYMENT, again) is Conflict
    assert (await buyer.wallet()).posted == Decimal("8.25")
    theirs = await stranger.ask(REFUND_PAYMENT, refund_of(others, "0.25", refund_id=id_))
    assert theirs.payment.id == id_
    assert (await stranger.wallet()).posted == Decimal("9.25")


async def test_a_refund_makes_room_in_the_budget(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task, budget="2")
    await buyer.told(completed(task, step, "2"))
    with pytest.raises(PaymentRequired):
        await buyer.hold("1", task=task, budget="2")
    await buyer.ask(REFUND_PAYMENT, refund_of(await payment_for(buyer.sql, step), "1"))
    await buyer.hold("1", task=task, budget="2")
    assert await buyer.budget(task) == money(1, 1)


async def test_a_paid_step_that_is_voided_is_paid_back_once(customer: NewCustomer) -> None:
    buyer = await customer("10")
    task, step, payment = await paid(buyer)
    await buyer.ask(REFUND_PAYMENT, refund_of(payment, "0.25"))
    for _ in range(2):
        await buyer.told(failed(task, step))
    assert (await buyer.wallet()).posted == 10
    told = [event.body for event in await buyer.said(task, "payment.refunded", 2)]
    amounts = [Decimal(event["amount"]) for event in told]
    assert amounts == [Decimal("0.25"), Decimal("0.75")]
    assert {event["paymentId"] for event in told} == {payment}


async def test_the_receipt_shows_every_step(customer: NewCustomer) -> None:
    buyer, task = await customer("20"), new_id()
    one = await buyer.hold("1", task=task)
    await buyer.extend(one, "2")
    await buyer.told(completed(task, one, "1.5", external_cost="0.5"))
    await buyer.ask(REFUND_PAYMENT, refund_of(await payment_for(buyer.sql, one), "0.4"))
    two = await buyer.hold("3", task=task)
    await buyer.told(failed(task, two))
    free = await buyer.hold("0", task=task)
    await buyer.told(completed(task, free, "0"))
    await buyer.told(failed(task, new_id()))  # Ended before anything was held: not on the receipt.
    hand = entered(task, "2")
    await buyer.ask(ENTER_PAYMENT, hand)
    open_ = await buyer.hold("0.7", task=task)
    receipt = await buyer.ask(GET_RECEIPT, GetReceipt(task_id=task))
    assert [
        tuple(map(str, (x.quoted, x.held, x.charged, x.fee, x.refunded, x.external, x.status)))
        for x in receipt.lines
    ] == [
        (*(f"{Decimal(n):.6f}" for n in amounts), status)
        for amounts, status in (
            (("1", "2", "1.5", "0.15", "0.4", "0.5"), "captured"),
            (("3", "3", "0", "0", "0", "0"), "released"),
            (("0", "0", "0", "0", "0", "0"), "captured"),
            (("2", "2", "2", "0.2", "0", "0"), "captured"),
            (("0.7", "0.7", "0", "0", "0", "0"), "held"),
        )
    ]
    steps = [line.step_id for line in receipt.lines]
    assert steps == [one, two, free, hand.payment_id, open_]
    assert (receipt.charged, receipt.fee, receipt.refunded, receipt.external) == (
        Decimal("3.5"),
        Decimal("0.35"),
        Decimal("0.4"),
        Decimal("0.5"),
    )
    assert await buyer.budget(task) == (Decimal("0.7"), receipt.total)
    assert receipt.total == Decimal("3.6")
    records = await buyer.sql.fetchval(
        "SELECT sum(CASE type WHEN 'refund' THEN -amount ELSE amount END)"
        " FROM bazaarbucks_payments WHERE task_id = $1",
        task,
    )
    assert records + receipt.external == receipt.total
    stranger = await customer("1")
    assert (await stranger.ask(GET_RECEIPT, GetReceipt(task_id=task))).lines == []


async def test_the_sums_of_a_receipt_may_be_larger_than_any_amount(customer: NewCustomer) -> None:
    buyer, task = await customer("1000000"), new_id()
    for _ in range(2):
        pay = entered(task, "900000", max_budget="1000000")
        await buyer.ask(ENTER_PAYMENT, pay)
        await buyer.ask(REFUND_PAYMENT, refund_of(pay.payment_id))
    receipt = await buyer.ask(GET_RECEIPT, GetReceipt(task_id=task))
    assert (receipt.charged, receipt.refunded, receipt.total) == money(1_800_000, 1_800_000, 0)
