"""Purchases that are too small for a charge of their own are charged with the next one, once."""

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.away import Away
from contracts.payment import LIST_STRIPE, ListStripe
from payment_svc.cards import store_tab
from tests.payment.books_helpers import check
from tests.payment.cards_system import CardSystem
from tests.payment.cards_things import refused
from tests.support.polling import eventually

pytest_plugins = ("tests.payment.cards_fixtures",)


@pytest.fixture
async def none_waits(cards: CardSystem) -> None:
    """What earlier tests left waiting is charged."""
    await cards.until(await cards.bought("1"), "completed")
    assert not await waiting(cards)


async def waiting(cards: CardSystem) -> set[str]:
    rows = await cards.buyer.sql.fetch(
        "SELECT id FROM stripe_payments WHERE on_tab AND charged_with IS NULL"
    )
    return {row["id"] for row in rows}


async def small(cards: CardSystem, *amounts: str) -> list[str]:
    """Purchases that wait, one after the other."""
    ids = [await cards.bought(amount) for amount in amounts]
    for id_ in ids:
        await cards.until(id_, "completed", "charged with the next purchase")
    return ids


@pytest.mark.usefixtures("none_waits")
async def test_they_are_charged_with_the_next_that_is_large_enough(cards: CardSystem) -> None:
    ids = await small(cards, "0.2", "0.1")
    assert await waiting(cards) == set(ids)
    assert [cards.double.charged(id_) for id_ in ids] == [[], []]
    large = await cards.bought("2")
    row = await cards.until(large, "completed")
    assert cards.double.charged(large) == [230]
    assert await waiting(cards) == set()
    event = cards.double.event("payment_intent.succeeded", cards.double.intent_of(large))
    assert await cards.taken(event) == "was completed before"
    assert row["amount"] == 2
    shown = (await cards.buyer.ask(LIST_STRIPE, ListStripe(limit=500))).payments
    assert {one.status for one in shown if one.id in ids} == {"completed"}
    assert await check(cards.buyer.bus) == []


@pytest.mark.usefixtures("none_waits")
async def test_small_ones_are_charged_when_they_are_enough_together(cards: CardSystem) -> None:
    first = await small(cards, "0.2")
    last = await cards.bought("0.3")
    await cards.until(last, "completed")
    assert (await cards.row(last))["note"] is None
    assert cards.double.charged(last) == [50]
    assert await waiting(cards) == set()
    assert cards.double.charged(first[0]) == []


@pytest.mark.usefixtures("none_waits")
async def test_the_webhook_may_come_before_the_answer(cards: CardSystem) -> None:
    await small(cards, "0.2")
    cards.double.ends = "processing"
    large = await cards.bought("2")
    await cards.until(large, "pending", "processing")
    intent = cards.double.intent_of(large)
    intent |= {"status": "succeeded", "amount_received": 220}
    assert await cards.taken(cards.double.event("payment_intent.succeeded", intent)) == "completed"


@pytest.mark.usefixtures("none_waits")
async def test_after_a_declined_card_they_wait_for_another(cards: CardSystem) -> None:
    ids = await small(cards, "0.2")
    cards.double.declines = "generic_decline"
    large = await cards.bought("2")
    await cards.until(large, "failed")
    assert await waiting(cards) == set(ids)
    cards.double.declines = None
    assert (await cards.http.post(f"/api/payments/stripe/{large}/retry")).status_code == 200
    await cards.until(large, "completed")
    assert cards.double.charged(large) == [220]


@pytest.mark.usefixtures("none_waits")
async def test_a_repeat_is_of_the_same_amount(cards: CardSystem) -> None:
    ids = await small(cards, "0.2")
    cards.double.script += [refused(500, "api_error", "broken")] * 3
    large = await cards.bought("2")
    row = await cards.until(large, "completed")
    assert cards.double.charged(large) == [220]
    assert cards.double.calls[f"step-{row['step_id']}"] == 4
    assert cards.double.problems == []
    assert cards.double.charged(ids[0]) == []


@pytest.mark.usefixtures("none_waits")
async def test_an_attempt_that_was_interrupted_has_gathered_them(
    cards: CardSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database went away after the purchase was taken in hand, before Stripe was asked."""
    ids, total = await small(cards, "0.2"), store_tab.total

    async def gone(_conn: AsyncConnection, _id: str) -> Decimal:
        raise Away("the database cannot be reached")

    monkeypatch.setattr(store_tab, "total", gone)
    large = await cards.bought("2")

    async def taken_in_hand() -> bool:
        return bool((await cards.row(large))["attempts"])

    await eventually(taken_in_hand)
    assert (await cards.row(ids[0]))["charged_with"] == large
    monkeypatch.setattr(store_tab, "total", total)
    due = "UPDATE stripe_payments SET next_attempt_at = now() WHERE id = $1"
    await cards.buyer.sql.execute(due, large)
    await cards.until(large, "completed")
    assert cards.double.charged(large) == [220]
    assert await waiting(cards) == set()


@pytest.mark.usefixtures("none_waits")
async def test_what_was_not_charged_yet_is_given_back_without_a_charge(cards: CardSystem) -> None:
    (id_,) = await small(cards, "0.2")
    refund = await cards.void(id_)
    await cards.until(refund, "completed", "not charged")
    assert await waiting(cards) == set()
    large = await cards.bought("2")
    await cards.until(large, "completed")
    assert cards.double.charged(large) == [200]
    assert await check(cards.buyer.bus) == []


@pytest.mark.usefixtures("none_waits")
async def test_each_gets_back_its_own_part_of_a_charge(cards: CardSystem) -> None:
    ids = await small(cards, "0.2", "0.15")
    large = await cards.bought("2")
    row = await cards.until(large, "completed")
    refunds = [await cards.void(id_) for id_ in (*ids, large)]
    for refund, cents in zip(refunds, (20, 15, 200), strict=True):
        await cards.until(refund, "completed")
        assert cards.double.given_back(refund) == [cents]
    assert cards.double.charge_of(row["intent_id"])["refunded"]


@pytest.mark.usefixtures("none_waits")
async def test_many_at_once_are_each_charged_once(cards: CardSystem) -> None:
    before = sum(one["amount_received"] for one in cards.double.intents.values())
    await asyncio.gather(*(cards.bought("0.11") for _ in range(20)))
    large = await cards.bought("3")
    await cards.until(large, "completed")
    await cards.until(await cards.bought("1"), "completed")
    charged = sum(one["amount_received"] for one in cards.double.intents.values()) - before
    assert charged == 20 * 11 + 300 + 100
