"""Rules of payouts, without I/O: what settling, paying and failing move, and how much is paid.

What an agent earns waits in its ledger account, `agent:<id>`, for as long as its payer may have it
back. Then it is settled: it moves to `seller:<account>` of who owned the agent when it was paid. A
payout takes it from there to `seller_payouts`, and from there out of the system, or back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from contracts.cards import CENT, MOST_BY_CARD
from payment_svc.domain import (
    PAYOUTS,
    WORLD,
    Posting,
    balanced,
    earnings_of,
    seller_of,
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What is settled of a step, in BazaarBucks."""

    step_id: str
    agent_id: str
    owner: str
    amount: Decimal


def settle_postings(owner: str, steps: Iterable[Settled]) -> tuple[Posting, ...]:
    """What settling steps of a seller moves; one line for each agent."""
    sums: dict[str, Decimal] = {}
    for step in steps:
        name = earnings_of(step.agent_id)
        sums[name] = sums.get(name, Decimal(0)) + step.amount
    whole = sum(sums.values(), Decimal(0))
    return balanced(
        (
            *(Posting(name, -amount) for name, amount in sorted(sums.items())),
            Posting(seller_of(owner), whole),
        )
    )


def payout_postings(owner: str, amount: Decimal) -> tuple[Posting, ...]:
    """What a payout moves when it is asked for; a negative amount when it failed."""
    return balanced((Posting(seller_of(owner), -amount), Posting(PAYOUTS, amount)))


def paid_postings(amount: Decimal) -> tuple[Posting, ...]:
    """What a payout moves when it was paid."""
    return balanced((Posting(PAYOUTS, -amount), Posting(WORLD, amount)))


def payable(available: Decimal) -> Decimal:
    """What of a seller's money one payout carries: whole cents, and no more than Stripe takes."""
    return min(max(available, Decimal(0)).quantize(CENT, rounding=ROUND_DOWN), MOST_BY_CARD)
