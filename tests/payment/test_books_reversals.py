"""Whatever Stripe tells of a top-up, in whatever order: the wallet is what is left of it."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.bus.envelopes import new_id
from payment_svc.app import build
from payment_svc.domain import Reversal, taken_back
from payment_svc.ledger.wallets import open_wallet
from tests.payment.books_helpers import Desk
from tests.payment.conftest import payment_settings
from tests.support.stack import Stack

PAID = 2_500
"""Cents of the top-up."""
Told = tuple[str, dict[str, Any], int]


@dataclass
class Charge:
    """A charge at Stripe, and what it has told of it so far."""

    intent: str
    second: int
    refunds: dict[str, int] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    disputed: int = 0
    told: list[Told] = field(default_factory=list)

    @property
    def back(self) -> int:
        return sum(cents for id_, cents in self.refunds.items() if id_ not in self.failed)

    def tell(self, type_: str, **thing: Any) -> None:
        now = len(self.told) * self.second
        self.told.append((type_, {"payment_intent": self.intent, **thing}, now))

    def refund(self, cents: int) -> None:
        cents = min(cents, PAID - self.back)
        if cents:
            id_ = f"re_{new_id()}"
            self.refunds[id_] = cents
            self._tell_refund("refund.created", id_, "pending")
            self.tell(
                "charge.refunded",
                id=f"ch_{self.intent}",
                object="charge",
                amount_refunded=self.back,
            )
            self._tell_refund("refund.updated", id_, "succeeded")

    def send_back(self) -> None:
        """The newest refund does not reach the card after all."""
        left = [id_ for id_ in self.refunds if id_ not in self.failed]
        if left:
            self.failed.add(left[-1])
            self._tell_refund("refund.failed", left[-1], "failed")

    def _tell_refund(self, type_: str, id_: str, status: str) -> None:
        self.tell(type_, id=id_, object="refund", amount=self.refunds[id_], status=status)

    def dispute(self, cents: int, end: str) -> None:
        told = {"id": f"du_{new_id()}", "object": "dispute", "amount": cents}
        if end == "warning_closed":
            self.tell("charge.dispute.created", status="warning_needs_response", **told)
            self.tell("charge.dispute.closed", status=end, **told)
            return
        self.tell("charge.dispute.created", status="needs_response", **told)
        self.tell("charge.dispute.funds_withdrawn", status="needs_response", **told)
        if end == "won":
            self.tell("charge.dispute.closed", status="won", **told)
            self.tell("charge.dispute.funds_reinstated", status="won", **told)
            return
        self.disputed += cents
        if end:
            self.tell("charge.dispute.closed", status=end, **told)


MOVES = st.one_of(
    st.tuples(st.just("refund"), st.integers(1, PAID)),
    st.tuples(st.just("send_back")),
    st.tuples(
        st.just("dispute"),
        st.integers(1, PAID),
        st.sampled_from(["", "won", "lost", "warning_closed"]),
    ),
)


@pytest.fixture
def desk(stack: Stack) -> Iterator[tuple[asyncio.Runner, Desk]]:
    """The handlers on a loop of their own; what they publish stays in the outbox."""
    config = payment_settings(stack)
    with asyncio.Runner() as runner:

        async def opened() -> Desk:
            service = build(config)
            return Desk(service, config)

        desk = runner.run(opened())
        yield runner, desk
        runner.run(desk.db.engine.dispose())


async def all_is_told(desk: Desk, charge: Charge, account: str, id_: str, order: Any) -> None:
    """Every event, some twice, in any order, and the payment itself among them."""
    told = [*charge.told, *order.choices(charge.told, k=3)] if charge.told else []
    order.shuffle(told)
    credit_at = order.randint(0, len(told))
    for place in range(len(told) + 1):
        if place == credit_at:
            assert await desk.pay_top_up(id_, Decimal(PAID) / 100) == "credited"
        if place < len(told):
            await desk.stripe_tells(*told[place])
    (row,) = await desk.rows(
        "SELECT posted, held, owed FROM payment.ledger_accounts WHERE id = $1", f"wallet:{account}"
    )
    left = Decimal(PAID - min(PAID, charge.back + charge.disputed)) / 100
    assert (row.posted, row.held, row.owed) == (left, 0, 0)
    assert await desk.broken() == []


def test_the_wallet_has_what_is_left(desk: tuple[asyncio.Runner, Desk]) -> None:
    runner, made = desk

    @settings(
        max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(
        moves=st.lists(MOVES, max_size=4),
        second=st.sampled_from([0, 1]),
        seed=st.integers(0, 10**6),
    )
    def holds(moves: list[tuple[Any, ...]], second: int, seed: int) -> None:
        async def run() -> None:
            account = new_id()
            await open_wallet(made.db, account, Decimal(0))
            id_ = await made.open_top_up(account, Decimal(PAID) / 100)
            charge = Charge(f"pi_{id_}", second)
            for name, *values in moves:
                getattr(charge, name)(*values)
            await all_is_told(made, charge, account, id_, random.Random(seed))

        runner.run(run())

    holds()


REVERSALS = st.lists(
    st.builds(
        Reversal,
        id=st.uuids().map(str),
        intent_id=st.just("pi"),
        kind=st.sampled_from(["charge", "refund", "dispute"]),
        amount=st.decimals(0, 100, places=2),
        taken=st.booleans(),
        rank=st.integers(0, 2),
        told_at=st.integers(0, 9),
    ),
    max_size=6,
)


@given(st.decimals("0.01", 100, places=2), REVERSALS)
def test_no_more_is_taken_back_than_was_paid_and_no_less_than_nothing(
    paid: Decimal, known: list[Reversal]
) -> None:
    assert 0 <= taken_back(paid, known) <= paid
