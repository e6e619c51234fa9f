"""Without a key, cards are simulated, and whatever needs the real rail says so."""

import base64
from decimal import Decimal

import pytest
from pydantic import ValidationError

from chassis.bus.envelopes import new_id, origin
from chassis.service import Service
from contracts.base import Ping, ping_call
from contracts.cards import (
    OPEN_CHECKOUT,
    REFUND_CARD,
    RETRY_CARD,
    TAKE_WEBHOOK,
    OpenCheckout,
    RefundCard,
    RetryCard,
    TakeWebhook,
)
from contracts.errors import Conflict, Unavailable
from payment_svc.cards.top_ups import open_checkout
from payment_svc.settings import Settings
from tests.payment.cards_double import signed
from tests.payment.conftest import NewCustomer, payment_settings
from tests.payment.helpers import completed
from tests.support.stack import Stack


async def test_the_service_says_that_cards_are_simulated(customer: NewCustomer) -> None:
    pong = await (await customer("1")).ask(ping_call("payment"), Ping())
    assert pong.details == {"rail": "simulated"}


async def test_a_top_up_is_credited_at_once_and_once(customer: NewCustomer) -> None:
    buyer, id_ = await customer("1"), new_id()
    asked = OpenCheckout.model_validate({"amount": 5, "payment_id": id_})
    for _ in range(3):
        assert (await buyer.ask(OPEN_CHECKOUT, asked)).id == id_
    assert (await buyer.wallet()).posted == 6
    shown = await buyer.sql.fetchrow("SELECT * FROM stripe_payments WHERE id = $1", id_)
    assert shown is not None
    assert (shown["status"], shown["rail"], shown["type"]) == (
        "completed",
        "simulated",
        "balance_load",
    )
    with pytest.raises(Conflict, match="something else"):
        await buyer.ask(OPEN_CHECKOUT, asked.model_copy(update={"amount": Decimal(6)}))
    await buyer.ask(OPEN_CHECKOUT, OpenCheckout.model_validate({"amount": "0.5"}))
    assert (await buyer.wallet()).posted == Decimal("6.5")


async def test_there_is_no_top_up_where_none_is_wanted(
    payment: Service, customer: NewCustomer, stack: Stack
) -> None:
    settings = payment_settings(stack, simulated_top_up=False)
    asked = OpenCheckout.model_validate({"amount": 5})
    here = origin("test", "test", (await customer("1")).account)
    with pytest.raises(Conflict, match="STRIPE_API_KEY"):
        await open_checkout(asked, here, payment.database, None, settings)


async def test_there_is_nothing_to_try_again(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("5", task=task)
    await buyer.told(completed(task, step, "1", external_cost="2"))
    id_ = await buyer.sql.fetchval("SELECT id FROM stripe_payments WHERE step_id = $1", step)
    with pytest.raises(Conflict, match="STRIPE_API_KEY"):
        await buyer.ask(RETRY_CARD, RetryCard(payment_id=id_))


async def test_a_purchase_is_given_back_at_once(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("5", task=task)
    await buyer.told(completed(task, step, "1", external_cost="2"))
    id_ = await buyer.sql.fetchval("SELECT id FROM stripe_payments WHERE step_id = $1", step)
    reply = await buyer.ask(REFUND_CARD, RefundCard(payment_id=id_, refund_id=new_id()))
    shown = reply.payment
    assert (shown.status, shown.rail, shown.refund_of) == ("completed", "simulated", id_)
    assert shown.amount == 2
    assert (await buyer.wallet()).posted == 9
    with pytest.raises(Conflict, match="before"):
        await buyer.ask(REFUND_CARD, RefundCard(payment_id=id_, refund_id=new_id()))


async def test_no_webhook_is_taken_without_a_secret(customer: NewCustomer) -> None:
    body = b'{"id": "evt_1", "object": "event", "type": "x"}'
    request = TakeWebhook(
        payload=base64.b64encode(body).decode(), signature=signed(body, secret="")
    )
    buyer = await customer("1")
    with pytest.raises(Unavailable, match="STRIPE_WEBHOOK_SECRET"):
        await buyer.ask(TAKE_WEBHOOK, request)
    assert await buyer.sql.fetchval("SELECT count(*) FROM stripe_events") == 0


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_secret_counts_as_none(stack: Stack, blank: str) -> None:
    settings = payment_settings(stack, stripe_api_key=blank, stripe_webhook_secret=blank)
    assert (settings.stripe_api_key, settings.stripe_webhook_secret) == (None, None)
    assert settings.rail == "simulated"


def test_secrets_are_not_shown(stack: Stack) -> None:
    settings = payment_settings(stack, stripe_api_key="sk_secret", stripe_webhook_secret="wh_sec")
    assert "sk_secret" not in f"{settings!r}{settings}{settings.model_dump_json()}"
    assert "wh_sec" not in f"{settings!r}{settings}{settings.model_dump_json()}"


@pytest.mark.parametrize("currency", ["jpy", "kwd", "USD", "", "dollars"])
def test_only_currencies_with_cents_are_taken(currency: str) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"stripe_currency": currency})
