"""Ids that callers choose are each account's own: nobody takes, blocks or guesses another's."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from contracts.base import Call
from contracts.cards import OPEN_CHECKOUT, REFUND_CARD, OpenCheckout, RefundCard
from contracts.errors import Conflict, NotFound
from contracts.ledger import (
    ENTER_PAYMENT,
    GET_RECEIPT,
    REFUND_PAYMENT,
    GetReceipt,
    PaymentReply,
)
from contracts.payment import LIST_BAZAARBUCKS, LIST_STRIPE, ListBazaarBucks, ListStripe
from tests.payment.books_helpers import check, entered, payment_for, refund_of
from tests.payment.cards_system import CardSystem
from tests.payment.helpers import Customer, completed, new_customer

pytest_plugins = ("tests.payment.cards_fixtures",)


async def people(cards: CardSystem, many: int = 2) -> list[Customer]:
    buyer = cards.buyer
    return [
        await new_customer(cards.payment.database, buyer.bus, buyer.js, buyer.sql, "100")
        for _ in range(many)
    ]


async def refused(who: Customer, call: Call[Any, Any], request: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        await who.ask(call, request)


async def listed(who: Customer) -> dict[str, Decimal]:
    found = (await who.ask(LIST_BAZAARBUCKS, ListBazaarBucks())).payments
    return {one.id: one.amount for one in found}


async def test_a_payment_by_hand(cards: CardSystem) -> None:
    id_, everybody = new_id(), await people(cards, 3)
    for number, who in enumerate(everybody, 1):
        task = new_id()
        request = entered(task, str(number), payment_id=id_)
        replies: list[PaymentReply] = await asyncio.gather(
            *(who.ask(ENTER_PAYMENT, request) for _ in range(4))
        )
        assert {reply.payment.id for reply in replies} == {id_}
        assert {reply.payment.amount for reply in replies} == {number}
        assert (await who.wallet()).posted == 100 - number
        assert await listed(who) == {id_: number}
        await refused(who, ENTER_PAYMENT, entered(task, "9", payment_id=id_), Conflict)
        receipt = await who.ask(GET_RECEIPT, GetReceipt(task_id=task))
        told = await who.event(task, "payment.entered")
        assert [line.step_id for line in receipt.lines] == [told.body["paymentId"]]
        recorded = await who.event(task, "payment.recorded")
        assert (recorded.body["paymentId"], recorded.body["stepId"]) == (
            *(id_, told.body["paymentId"]),
        )
    steps = await cards.buyer.sql.fetch(
        "SELECT DISTINCT step_id FROM bazaarbucks_payments WHERE id = $1 OR asked_id = $1", id_
    )
    assert len(steps) == 3
    assert await check(cards.buyer.bus) == []


async def test_such_a_payment_is_refunded_by_its_owner_alone(cards: CardSystem) -> None:
    id_, (first, second, third) = new_id(), await people(cards, 3)
    for who in (first, second):
        await who.ask(ENTER_PAYMENT, entered(new_id(), "5", payment_id=id_))
    await second.ask(REFUND_PAYMENT, refund_of(id_, "2"))
    assert [(await who.wallet()).posted for who in (first, second)] == [95, 97]
    await refused(third, REFUND_PAYMENT, refund_of(id_, "2"), NotFound)
    assert await check(cards.buyer.bus) == []


async def test_the_id_of_a_refund(cards: CardSystem) -> None:
    id_, everybody = new_id(), await people(cards, 3)
    for who in everybody:
        payments = []
        for _ in range(2):
            task = new_id()
            step = await who.hold("5", task=task)
            await who.told(completed(task, step, "5"))
            payments.append(await payment_for(who.sql, step))
        request = refund_of(payments[0], "2", refund_id=id_)
        replies = await asyncio.gather(*(who.ask(REFUND_PAYMENT, request) for _ in range(3)))
        assert {reply.payment.id for reply in replies} == {id_}
        assert (await who.wallet()).posted == 92
        await refused(who, REFUND_PAYMENT, refund_of(payments[1], "2", refund_id=id_), Conflict)
        # A payment by hand is told from a refund with the same id, as before.
        await refused(who, ENTER_PAYMENT, entered(new_id(), "2", payment_id=id_), Conflict)
        assert (await listed(who))[id_] == 2
    assert await check(cards.buyer.bus) == []


async def test_the_id_of_a_purchases_refund(cards: CardSystem) -> None:
    id_, everybody = new_id(), await people(cards, 3)
    for who in everybody:
        task = new_id()
        step = await who.hold("5", task=task)
        await who.told(completed(task, step, "1", external_cost="2"))
        (bought,) = (await who.ask(LIST_STRIPE, ListStripe())).payments
        await cards.until(bought.id, "completed")
        request = RefundCard(payment_id=bought.id, refund_id=id_)
        for _ in range(2):
            back = (await who.ask(REFUND_CARD, request)).payment
            assert (back.id, back.refund_of, back.amount) == (id_, bought.id, Decimal(2))
        ids = {one.id for one in (await who.ask(LIST_STRIPE, ListStripe())).payments}
        assert ids == {id_, bought.id}
        assert (await who.wallet()).posted == 99
        row = await who.sql.fetchval("SELECT id FROM stripe_payments WHERE refund_of=$1", bought.id)
        await cards.until(row, "completed")
        assert cards.double.given_back(row) == [200]
    assert await check(cards.buyer.bus) == []


async def test_the_id_of_a_top_up(cards: CardSystem) -> None:
    id_, everybody = new_id(), await people(cards, 3)
    for number, who in enumerate(everybody, 5):
        request = OpenCheckout(amount=Decimal(number), payment_id=id_)
        pages = [await who.ask(OPEN_CHECKOUT, request) for _ in range(3)]
        assert {page.id for page in pages} == {id_}
        assert len({page.url for page in pages}) == 1
        other = OpenCheckout(amount=Decimal(50), payment_id=id_)
        await refused(who, OPEN_CHECKOUT, other, Conflict)
        (session,) = [x for x in cards.double.sessions.values() if x["url"] == pages[0].url]
        assert await cards.taken(cards.double.pay(session["id"])) == "credited"
        assert (await who.wallet()).posted == 100 + number
        (shown,) = (await who.ask(LIST_STRIPE, ListStripe())).payments
        assert (shown.id, shown.amount) == (id_, Decimal(number))
        assert shown.status == "completed"
    assert await check(cards.buyer.bus) == []


async def test_the_same_id_at_once_by_everybody(cards: CardSystem) -> None:
    id_, everybody = new_id(), await people(cards, 4)
    requests = [(who, entered(new_id(), "3", payment_id=id_)) for who in everybody]
    replies = await asyncio.gather(
        *(who.ask(ENTER_PAYMENT, request) for who, request in requests * 3)
    )
    assert {reply.payment.id for reply in replies} == {id_}
    assert {(await who.wallet()).posted for who in everybody} == {97}
    pages = await asyncio.gather(
        *(
            who.ask(OPEN_CHECKOUT, OpenCheckout(amount=Decimal(5), payment_id=id_))
            for who in everybody
        )
    )
    assert len({page.url for page in pages}) == 4
    assert await check(cards.buyer.bus) == []


async def test_the_id_that_somebody_elses_payment_really_has(cards: CardSystem) -> None:
    id_, (first, second) = new_id(), await people(cards)
    for who in (first, second):
        await who.ask(ENTER_PAYMENT, entered(new_id(), "3", payment_id=id_))
    real = await second.sql.fetchval(
        "SELECT id FROM bazaarbucks_payments WHERE asked_id = $1 AND account = $2",
        *(id_, second.account),
    )
    await first.ask(ENTER_PAYMENT, entered(new_id(), "4", payment_id=real))
    assert await listed(first) == {id_: 3, real: 4}
    assert await listed(second) == {id_: 3}
    assert await check(cards.buyer.bus) == []
