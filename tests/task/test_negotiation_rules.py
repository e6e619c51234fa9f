"""The rules of a negotiation: what is offered, what is taken, and that it comes to an end."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import MAX_AMOUNT, MICRO
from contracts.negotiation import MAX_ROUNDS, Offer
from task_svc.domain import Verdict, next_offer, shown, taken, verdict

AMOUNTS = st.decimals(0, MAX_AMOUNT, places=6, allow_nan=False)
REPLIES = st.tuples(st.booleans(), st.none() | AMOUNTS)


def haggle(
    list_price: Decimal, max_price: Decimal, replies: list[tuple[bool, Decimal | None]]
) -> tuple[list[Offer], Verdict | None]:
    """A whole negotiation with an agent that says these things one after the other."""
    offers: list[Offer] = []
    for accepted, counter in replies:
        offered = next_offer(list_price, max_price, len(offers))
        if offered is None:
            break
        offers.append(
            Offer(round=len(offers) + 1, offered=offered, accepted=accepted, counter=counter)
        )
        if ending := verdict("A", list_price, max_price, offers):
            return offers, ending
    return offers, None


@given(AMOUNTS, AMOUNTS, st.lists(REPLIES, min_size=MAX_ROUNDS, max_size=MAX_ROUNDS))
def test_whatever_an_agent_says_it_ends_and_never_above_any_limit(
    list_price: Decimal, max_price: Decimal, replies: list[tuple[bool, Decimal | None]]
):
    offers, ending = haggle(list_price, max_price, replies)
    assert len(offers) <= MAX_ROUNDS
    assert ending is not None or not offers
    for offer in offers:
        assert 0 < offer.offered <= max_price
        assert offer.offered < list_price
        assert offer.offered <= list_price * Decimal("0.8")
    prices = [offer.offered for offer in offers]
    assert prices == sorted(prices)
    if ending is not None and ending.price is not None:
        assert 0 < ending.price <= max_price
        assert ending.price < list_price
        assert ending.price % MICRO == 0
        last = offers[-1]
        assert ending.price in (last.offered, last.counter)


@given(AMOUNTS, AMOUNTS)
def test_an_offer_that_is_taken_is_the_price(list_price: Decimal, max_price: Decimal):
    offers, ending = haggle(list_price, max_price, [(True, None)])
    if offers:
        assert ending is not None
        assert ending.price == offers[0].offered


@pytest.mark.parametrize(
    ("list_price", "max_price", "offers"),
    [
        ("1", "1000", ["0.6", "0.7", "0.8", None]),
        ("0.85", "0.60", ["0.51", "0.595", "0.6", None]),
        ("1", "0.1", ["0.1", "0.1", "0.1", None]),
        ("0.000005", "1", ["0.000003", "0.000003", "0.000004", None]),
        ("0.000001", "1", [None]),
        ("0", "1", [None]),
        ("1", "0", [None]),
    ],
)
def test_what_is_offered(list_price: str, max_price: str, offers: list[str | None]):
    made = [next_offer(Decimal(list_price), Decimal(max_price), n) for n in range(len(offers))]
    assert made == [None if offer is None else Decimal(offer) for offer in offers]


@pytest.mark.parametrize(
    ("accepted", "counter", "price"),
    [
        (True, None, "0.6"),
        (True, "0.9", "0.6"),
        (False, None, None),
        (False, "0.65", "0.65"),
        (False, "0.8", "0.8"),
        (False, "0.800001", None),
        (False, "0.5", "0.5"),
        (False, "0", None),
    ],
)
def test_what_is_taken(accepted: bool, counter: str | None, price: str | None):
    offer = Offer(
        round=1,
        offered=Decimal("0.6"),
        accepted=accepted,
        counter=None if counter is None else Decimal(counter),
    )
    found = taken(offer, Decimal(1), Decimal("0.8"))
    assert found == (None if price is None else Decimal(price))


def test_a_counter_offer_at_the_list_price_is_none():
    offer = Offer(round=1, offered=Decimal("0.6"), accepted=False, counter=Decimal(1))
    assert taken(offer, Decimal(1), Decimal(5)) is None


@pytest.mark.parametrize(
    ("amount", "words"),
    [("0.500000", "0.5 BazaarBucks"), ("100", "100 BazaarBucks"), ("0", "0 BazaarBucks")],
)
def test_amounts_in_sentences(amount: str, words: str):
    assert shown(Decimal(amount)) == words
