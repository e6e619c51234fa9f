"""BazaarBucks and units of a token: exact, cut and never rounded up."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from contracts.base import MICRO
from payment_svc.machine.amounts import creditable, price_of, units_for, units_within, worth

DECIMALS = 6
rates = some.decimals("0.01", "1000", places=6)
prices = some.decimals("0.000001", "1000000", places=6)


@given(prices, rates)
def test_what_is_asked_for_covers_what_lacks_and_no_unit_more(
    price: Decimal, rate: Decimal
) -> None:
    units = units_for(price, DECIMALS, rate)
    assert worth(units, DECIMALS, rate) >= price
    assert worth(units - 1, DECIMALS, rate) < price


@given(prices, rates)
def test_no_more_is_sent_than_is_held_for_it(held: Decimal, rate: Decimal) -> None:
    units = units_within(held, DECIMALS, rate)
    assert price_of(units, DECIMALS, rate) <= held
    assert price_of(units + 1, DECIMALS, rate) > held


@given(some.integers(1, 10**12), rates)
def test_what_is_credited_is_never_more_than_was_paid(units: int, rate: Decimal) -> None:
    exact = Decimal(units).scaleb(-DECIMALS) * rate
    assert 0 <= exact - worth(units, DECIMALS, rate) < MICRO
    assert 0 <= price_of(units, DECIMALS, rate) - exact < MICRO


@pytest.mark.parametrize(
    ("units", "rate", "credited", "good"),
    [
        (1, "1", "0.000001", True),
        (123_456, "1", "0.123456", True),
        (1, "0.9", "0", False),
        (10**12, "1", "1000000", True),
        (10**12 + 1, "1", "1000000.000001", False),
    ],
)
def test_the_least_and_the_most_that_is_credited(
    units: int, rate: str, credited: str, *, good: bool
) -> None:
    found = worth(units, DECIMALS, Decimal(rate))
    assert (found, creditable(found)) == (Decimal(credited), good)
