"""What is promised and what is paid, as rules: no bill, size, load or rounding gets past them."""

from decimal import ROUND_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import MAX_AMOUNT, MICRO
from contracts.registry import Billing
from task_svc.domain import Agreement, Quote, billed, charge, hold_amount
from task_svc.pricing import how_many, is_overbilled, most_of, paid, promise_of, size_of
from task_svc.promise import Promise

AMOUNTS = st.decimals(0, MAX_AMOUNT, places=6, allow_nan=False)
PRICES = st.decimals(0, 1_000, places=6, allow_nan=False)
TOLERANCES = st.decimals(1, 2, places=2, allow_nan=False)
BILLINGS = st.builds(
    Billing,
    mode=st.sampled_from(["fixed", "by_size"]),
    per_thousand=PRICES,
    ceiling=st.none() | PRICES,
    tolerance=st.none() | TOLERANCES,
    purchases=PRICES,
    purchases_of=st.none() | st.just("n"),
    purchases_default=st.integers(0, 50),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
PAYLOADS = st.dictionaries(st.text(max_size=5) | st.just("n"), JSON, max_size=4)


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    base = draw(PRICES)
    surge = draw(st.sampled_from(["1", "1.15", "1.3"]))
    return Quote(
        agent_name="A",
        endpoint_url="http://a",
        skills=[],
        base_price=base,
        dynamic_price=(base * Decimal(surge)).quantize(MICRO),
        billing=draw(BILLINGS),
    )


def promised(quote: Quote, payload: dict[str, Any], tolerance: Decimal = Decimal(1)) -> Promise:
    promise = promise_of(quote, payload, tolerance)
    assert promise is not None
    return promise


@given(quotes(), PAYLOADS, TOLERANCES, AMOUNTS, AMOUNTS, AMOUNTS | st.none())
def test_nothing_beyond_the_promise_or_the_cap_is_paid(
    quote: Quote,
    payload: dict[str, Any],
    tolerance: Decimal,
    bill: Decimal,
    external: Decimal,
    cap: Decimal | None,
):
    promise = promised(quote, payload, tolerance)
    most = most_of(promise, cap)
    assert most is not None
    held = hold_amount(quote, most)
    asked = charge(bill, quote)
    done = paid(held, asked, external, promise)
    total = done.cost + done.external
    assert 0 <= done.cost <= asked
    assert 0 <= done.external <= external
    assert total <= held == most <= promise.most <= promise.price * promise.tolerance
    assert done.cost <= promise.work * promise.tolerance
    assert cap is None or total <= cap
    ceiling = quote.billing.ceiling if quote.billing else None
    assert ceiling is None or promise.most <= ceiling
    assert all(amount % MICRO == 0 for amount in (done.cost, done.external, held))
    # Nothing is withheld of a bill that keeps to what was promised.
    if cap is None and asked <= promise.work and external <= promise.purchases:
        assert total == asked + external
        assert not is_overbilled(billed(bill, external, quote), promise)
    if is_overbilled(billed(bill, external, quote), promise):
        assert total < asked + external


@given(quotes(), st.text(max_size=3_000), st.integers(0, 20))
def test_a_bill_by_the_listed_formula_is_paid_in_full(quote: Quote, text: str, results: int):
    assert quote.billing is not None
    billing = quote.billing.model_copy(
        update={"ceiling": None, "purchases_of": "n", "purchases": Decimal("0.01")}
    )
    quote = quote.model_copy(update={"billing": billing})
    size = billing.per_thousand * len(text) / 1000 if billing.mode == "by_size" else Decimal(0)
    bill = (quote.base_price + size).quantize(MICRO, rounding=ROUND_UP)
    promise = promised(quote, {"text": text, "n": results})
    external = Decimal("0.01") * results
    done = paid(promise.most, charge(bill, quote), external, promise)
    assert (done.cost, done.external) == (charge(bill, quote), external)


@given(quotes(), st.text(max_size=100), st.text(max_size=100))
def test_more_text_never_costs_less(quote: Quote, text: str, more: str):
    one, two = promised(quote, {"text": text}), promised(quote, {"text": text + more})
    assert one.work <= two.work


@given(quotes(), PAYLOADS, PRICES)
def test_an_agreed_price_is_the_promise(quote: Quote, payload: dict[str, Any], price: Decimal):
    agreed = quote.model_copy(update={"agreed": Agreement(price=price, list_price=price)})
    promise = promised(agreed, payload, Decimal(2))
    assert (promise.price, promise.most, promise.tolerance) == (price, price, Decimal(1))
    assert not is_overbilled(billed(price, Decimal(0), agreed), promise)
    assert is_overbilled(billed(price + MICRO, Decimal(0), agreed), promise)


@given(quotes(), PAYLOADS)
def test_a_stranger_cannot_give_itself_a_tolerance(quote: Quote, payload: dict[str, Any]):
    billing = Billing(tolerance=Decimal(2))
    promise = promised(quote.model_copy(update={"billing": billing}), payload)
    assert promise.most == promise.price == quote.dynamic_price


def test_a_registry_that_does_not_say_how_agents_bill_promises_nothing():
    quote = Quote(
        agent_name="A", endpoint_url="u", skills=[], base_price=Decimal(1), dynamic_price=Decimal(1)
    )
    assert promise_of(quote, {}, Decimal(1)) is None
    assert most_of(None, None) is None


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        ({}, 0),
        ({"text": "héllo😀"}, 6),
        ({"a": ["bc", {"d": "efg"}], "n": 5, "t": True, "z": None}, 5),
    ],
)
def test_the_size_of_a_payload_is_the_characters_of_its_texts(payload: Any, size: int):
    assert size_of(payload) == size


def test_a_payload_may_be_as_deep_as_json_goes():
    deep: dict[str, Any] = {"text": "x"}
    for _ in range(5_000):
        deep = {"in": [deep]}
    assert size_of(deep) == 1


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (7, 7),
        (0, 0),
        ("12", 12),
        (3.0, 3),
        (3.5, 5),
        (-1, 5),
        (True, 5),
        ("many", 5),
        ("٣", 5),
        ("1" * 5_000, 5),
        (float("inf"), 5),
        (float("nan"), 5),
        ([3], 5),
        (None, 5),
        (10**30, int(MAX_AMOUNT)),
    ],
    ids=lambda said: repr(said)[:12],
)
def test_how_many_purchases_a_payload_asks_for(said: Any, count: int):
    billing = Billing(purchases=Decimal("0.01"), purchases_of="n", purchases_default=5)
    assert how_many(billing, {"n": said}) == count
    assert how_many(billing, {}) == 5
    assert how_many(Billing(purchases=Decimal(1)), {"n": said}) == 1
