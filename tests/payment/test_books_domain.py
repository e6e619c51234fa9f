"""Fees and refunds as rules without I/O."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.base import MICRO
from payment_svc.domain import (
    PLATFORM_FEES,
    capture_postings,
    earnings_of,
    fee_of,
    fee_returned,
    refund_postings,
    wallet_of,
)
from tests.payment.books_helpers import bucks, micro

AMOUNTS = st.integers(0, 10**12).map(bucks)
PAID = st.integers(1, 10**12).map(bucks)
RATES = st.decimals(0, 1, places=9).filter(lambda rate: rate < 1)


@given(cost=AMOUNTS, rate=RATES)
def test_a_fee_is_the_platforms_share_rounded_down(cost: Decimal, rate: Decimal) -> None:
    fee = fee_of(cost, rate)
    assert fee == fee.quantize(MICRO)
    assert micro(fee) == micro(cost) * int(rate * 10**9) // 10**9
    assert not cost or fee < cost  # The agent always has something of what was paid.


@st.composite
def splits(draw: st.DrawFn) -> tuple[Decimal, Decimal, list[Decimal]]:
    """A charge, its fee, and parts that add up to the charge."""
    charged = draw(st.integers(1, 10**12))
    fee = draw(st.integers(0, charged))
    cuts = draw(st.lists(st.integers(1, charged), max_size=8, unique=True).map(sorted))
    edges = [0, *(cut for cut in cuts if cut < charged), charged]
    return (
        bucks(charged),
        bucks(fee),
        [bucks(b - a) for a, b in pairwise(edges)],
    )


@given(splits())
def test_parts_of_a_refund_return_the_whole_fee(
    split: tuple[Decimal, Decimal, list[Decimal]],
) -> None:
    charged, fee, parts = split
    refunded = returned = Decimal(0)
    for part in parts:
        share = fee_returned(part, charged, fee, refunded)
        assert 0 <= share <= part
        refunded, returned = refunded + part, returned + share
        assert micro(returned) == micro(fee) * micro(refunded) // micro(charged)
    assert (refunded, returned) == (charged, fee)


@given(cost=AMOUNTS, external=AMOUNTS, share=st.integers(0, 10**12))
def test_a_capture_with_a_fee_balances(cost: Decimal, external: Decimal, share: int) -> None:
    fee = min(cost, bucks(share))
    lines = capture_postings("ann", "poet", cost, fee, external)
    found = {line.ledger_account: line.amount for line in lines}
    assert len(found) == len(lines)
    assert sum(found.values()) == 0
    assert all(found.values())
    # What the user pays is what was quoted, whatever the fee.
    assert found.get(wallet_of("ann"), 0) == -(cost + external)
    assert found.get(earnings_of("poet"), 0) + found.get(PLATFORM_FEES, 0) == cost


@given(amount=PAID, share=st.integers(0, 10**12))
def test_a_refund_balances(amount: Decimal, share: int) -> None:
    fee = bucks(share)
    assume(fee <= amount)
    found = {
        line.ledger_account: line.amount for line in refund_postings("ann", "poet", amount, fee)
    }
    assert sum(found.values()) == 0
    assert found[wallet_of("ann")] == amount
    assert found.get(PLATFORM_FEES, 0) == -fee
