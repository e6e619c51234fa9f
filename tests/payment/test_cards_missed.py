"""Refunds and disputes of top-ups that no webhook told of are found in Stripe's list, once."""

import asyncio
from decimal import Decimal

from stripe import HTTPXClient, StripeClient

from payment_svc.cards.missed import Missed
from payment_svc.cards.rail import close
from payment_svc.settings import Settings
from tests.payment.books_helpers import money
from tests.payment.cards_double import KEY
from tests.payment.cards_system import CardSystem
from tests.payment.test_cards_taken_back import TopUp, sound, topped_up
from tests.support.polling import eventually

pytest_plugins = ("tests.payment.cards_fixtures",)


async def read(cards: CardSystem, missed: Missed, base: str | None = None) -> None:
    settings = cards.payment.settings
    assert isinstance(settings, Settings)
    base = base or settings.stripe_api_base
    client = StripeClient(KEY, base_addresses={"api": base}, http_client=HTTPXClient())
    await missed.read(cards.payment.database, client)
    await close(client)


async def stands(top_up: TopUp, available: str, owed: str) -> None:
    async def so() -> bool:
        return await top_up.stands() == (Decimal(available), Decimal(owed))

    await eventually(so)


async def test_a_refund_that_no_webhook_told_of_is_taken_back_once(cards: CardSystem) -> None:
    top_up = await topped_up(cards, "25")
    _, charged = cards.double.give_back(top_up.intent, 1000)
    assert await top_up.stands() == money(25, 0)
    missed, other = Missed(), Missed()
    await asyncio.gather(read(cards, missed), read(cards, other))
    await stands(top_up, "15", "0")
    await cards.taken(charged)  # Its webhook comes after all.
    assert await top_up.stands() == money(15, 0)
    cards.double.give_back(top_up.intent, 1500)
    await asyncio.gather(cards.post(charged), *(read(cards, one) for one in (missed, other)))
    await stands(top_up, "0", "0")
    known = "SELECT count(*) FROM stripe_events WHERE body LIKE '%' || $1 || '%'"
    assert await top_up.who.sql.fetchval(known, top_up.intent) == 4 + 1  # With the payment itself.
    await sound(cards)
    assert cards.double.problems == []


async def test_a_dispute_that_was_won_and_never_told_of(cards: CardSystem) -> None:
    top_up, missed = await topped_up(cards, "25"), Missed()
    told = await top_up.dispute(2500)
    told("created", "needs_response")
    await read(cards, missed)
    await stands(top_up, "0", "0")
    told("closed", "won")
    await read(cards, missed)
    await stands(top_up, "25", "0")
    await sound(cards)


async def test_a_long_list_is_read_to_its_end_and_one_that_fails_is_read_again(
    cards: CardSystem,
) -> None:
    top_up, missed = await topped_up(cards, "25"), Missed()
    cards.double.page_length = 2
    for _ in range(5):
        cards.double.give_back(top_up.intent, 100)
    await read(cards, missed, "http://127.0.0.1:1")
    assert missed.since is None
    await read(cards, missed)
    assert missed.since is not None
    await stands(top_up, "20", "0")
    cards.double.page_length = 100
    await sound(cards)
