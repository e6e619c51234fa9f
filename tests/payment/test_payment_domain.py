"""The rules of money, for all amounts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_svc.domain import (
    CARD_CLEARING,
    WORLD,
    Posting,
    Unbalanced,
    balanced,
    capture_postings,
    earnings_of,
    extension,
    grant_postings,
    wallet_of,
)

ZERO = Decimal(0)
amounts = st.decimals(min_value=0, max_value=1_000_000, places=6)
signed = st.decimals(min_value=-1_000_000, max_value=1_000_000, places=6)
names = st.text(alphabet="abcdefgh-", min_size=1, max_size=8)


def net(postings: tuple[Posting, ...], name: str) -> Decimal:
    return sum((line.amount for line in postings if line.ledger_account == name), ZERO)


@given(names, names, amounts, amounts)
def test_a_capture_balances_and_pays_each_what_is_due(
    account: str, agent: str, cost: Decimal, external: Decimal
) -> None:
    postings = capture_postings(account, agent, cost, ZERO, external)
    assert sum((line.amount for line in postings), ZERO) == 0
    assert net(postings, wallet_of(account)) == -(cost + external)
    assert net(postings, earnings_of(agent)) == cost
    assert net(postings, CARD_CLEARING) == external
    assert all(line.amount for line in postings)


@given(names, amounts)
def test_a_grant_comes_from_the_world(account: str, amount: Decimal) -> None:
    postings = grant_postings(account, amount)
    assert net(postings, WORLD) == -amount
    assert net(postings, wallet_of(account)) == amount


@given(st.lists(st.builds(Posting, names, signed), max_size=8))
def test_only_what_adds_up_to_zero_is_a_transfer(postings: list[Posting]) -> None:
    total = sum((line.amount for line in postings), ZERO)
    if total:
        with pytest.raises(Unbalanced):
            balanced(postings)
        postings = [*postings, Posting("rest", -total)]
    kept = balanced(postings)
    assert sum((line.amount for line in kept), ZERO) == 0
    assert list(kept) == [line for line in postings if line.amount]


@given(names, names)
def test_no_account_is_mistaken_for_another(account: str, agent: str) -> None:
    assert len({wallet_of(account), earnings_of(agent), WORLD, CARD_CLEARING}) == 4


@given(amounts, amounts, signed, signed)
def test_an_extension_is_never_more_than_is_wanted_allowed_and_there(
    wanted: Decimal, held: Decimal, room: Decimal, available: Decimal
) -> None:
    by = extension(wanted, held, room, available)
    assert by >= 0
    if by:
        assert by <= room
        assert by <= available
        assert held + by <= wanted


@given(amounts, amounts, amounts, amounts)
def test_an_extension_goes_as_far_as_it_can(
    wanted: Decimal, held: Decimal, room: Decimal, available: Decimal
) -> None:
    by = extension(wanted, held, room, available)
    if by < wanted - held:
        assert by in (room, available)
