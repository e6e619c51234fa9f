"""Any order of work, refunds, settling, payouts that are paid or fail, and changes of owners."""

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from chassis.bus.envelopes import new_id, origin
from contracts.errors import Conflict
from payment_svc.app import build
from payment_svc.payouts import paying, rail, store
from tests.payment.books_helpers import Desk, bucks, micro
from tests.payment.conftest import payment_settings
from tests.payment.selling_desk import Shop
from tests.support.stack import Stack

FEE = (37, 1000)
CENT = 10_000
COSTS = st.one_of(st.integers(1, 3_000_000), st.sampled_from([1, 27, 1_000_000, 9_999_999]))
PICK = st.integers(0, 1_000)
WHO = st.integers(0, 1)


@dataclass
class Step:
    """A paid step as the model knows it, in millionths."""

    id: str
    agent: str
    owner: str
    cost: int
    fee: int
    refunded: int = 0
    settled: bool = False

    @property
    def returned(self) -> int:
        return self.refunded - self.fee * self.refunded // self.cost

    @property
    def net(self) -> int:
        return self.cost - self.fee - self.returned


class Selling(RuleBasedStateMachine):
    """Two sellers, two agents that change hands, one payer."""

    runner: asyncio.Runner
    desk: Desk

    def __init__(self) -> None:
        super().__init__()
        self.shop = self.run(Shop(self.desk).open("100000"))
        self.sellers = [new_id() for _ in range(2)]
        self.agents = [new_id() for _ in range(2)]
        self.owners: dict[str, str] = {}
        self.clock = datetime.now(UTC)
        self.steps: list[Step] = []
        self.payouts: dict[str, tuple[str, int, str]] = {}
        for place in range(2):
            self.give(place, place)

    def run(self, work: Awaitable[Any]) -> Any:
        async def outcome() -> Any:
            return await work

        return self.runner.run(outcome())

    def posted(self, seller: str) -> int:
        """What a seller has: below zero, what the seller owes."""
        out = sum(
            amount
            for who, amount, how in self.payouts.values()
            if who == seller and how != "failed"
        )
        return sum(s.net for s in self.steps if s.owner == seller and s.settled) - out

    @rule(agent=WHO, to=WHO)
    def give(self, agent: int, to: int) -> None:
        self.clock += timedelta(microseconds=1)
        self.owners[self.agents[agent]] = self.sellers[to]
        self.run(self.shop.list(self.agents[agent], self.sellers[to], self.clock))

    @rule(agent=WHO, cost=COSTS)
    def work(self, agent: int, cost: int) -> None:
        name = self.agents[agent]
        step = self.run(self.shop.work(str(bucks(cost)), agent=name))
        rate, of = FEE
        self.steps.append(Step(step, name, self.owners[name], cost, cost * rate // of))

    @precondition(lambda self: self.steps)
    @rule(pick=PICK, percent=st.none() | st.integers(1, 120))
    def refund(self, pick: int, percent: int | None) -> None:
        step = self.steps[pick % len(self.steps)]
        left = step.cost - step.refunded
        amount = left if percent is None else min(left, max(1, step.cost * percent // 100))
        if left:
            self.run(self.shop.refund(step.id, None if percent is None else str(bucks(amount))))
            step.refunded += amount

    @rule()
    def settle(self) -> None:
        self.run(self.shop.settle())
        for step in self.steps:
            step.settled = True

    @rule(who=WHO, cents=st.none() | st.integers(1, 500))
    def ask(self, who: int, cents: int | None) -> None:
        seller = self.sellers[who]
        has = max(0, self.posted(seller)) // CENT * CENT
        amount = has if cents is None else cents * CENT
        self.shop.seller = seller
        try:
            payout = self.run(self.shop.ask(None if cents is None else str(bucks(amount))))
        except Conflict:
            assert amount > has or not amount
        else:
            assert micro(payout.amount) == amount <= has
            self.payouts[payout.id] = (seller, amount, "pending")

    @rule(fails=st.booleans())
    def pay(self, fails: bool) -> None:
        """Two replicas at once; whoever comes second with an outcome changes nothing."""
        self.run(self.carry_out("failed" if fails else "paid"))
        for id_, (who, amount, how) in self.payouts.items():
            if how == "pending":
                self.payouts[id_] = (who, amount, "failed" if fails else "paid")

    async def carry_out(self, end: Any) -> None:
        async with self.desk.db.transaction() as tx:
            due = await store.claim_payouts(tx.conn, 0)

        async def write(payout: Any) -> None:
            async with self.desk.db.transaction(origin("payment", "test", payout.owner)) as tx:
                await paying._end(tx, payout, rail.Outcome(end))

        await asyncio.gather(*(write(payout) for payout in [*due, *due]))

    def teardown(self) -> None:
        assert self.run(self.desk.broken()) == []
        for seller in self.sellers:
            has = self.run(self.shop.has(seller))
            posted = self.posted(seller)
            assert micro(has.available) == max(0, posted)
            assert micro(has.owed) == max(0, -posted)
            waits = [s.net for s in self.steps if s.owner == seller and not s.settled]
            assert micro(has.waiting) == sum(waits)
            for how in ("pending", "paid"):
                due = [a for who, a, is_ in self.payouts.values() if (who, is_) == (seller, how)]
                assert micro(getattr(has, how)) == sum(due)
            self.shop.seller = seller
            lines = self.run(self.shop.earnings()).lines
            assert sum(micro(one.earned) for one in lines) == sum(
                s.net for s in self.steps if s.owner == seller
            )


@pytest.fixture
def desk(stack: Stack) -> Iterator[tuple[asyncio.Runner, Desk]]:
    """The handlers on a loop of their own; what they publish stays in the outbox."""
    config = payment_settings(
        stack,
        platform_fee_rate=Decimal(FEE[0]) / FEE[1],
        payout_delay_s=0.000_001,
        refund_grace_s=0,
        payout_least=0,
    )
    with asyncio.Runner() as runner:

        async def opened() -> Desk:
            service = build(config)
            service.database.departures = None
            return Desk(service, config)

        desk = runner.run(opened())
        yield runner, desk
        runner.run(desk.db.engine.dispose())


def test_sellers_have_what_the_model_says(desk: tuple[asyncio.Runner, Desk]) -> None:
    machine = type("TheSelling", (Selling,), {"runner": desk[0], "desk": desk[1]})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
