"""Rules of money, without I/O: names of ledger accounts, postings, what a capture moves.

Every movement is a transfer: postings whose amounts add up to zero. A positive amount comes into
an account, a negative one leaves it. Money enters the system only out of `WORLD`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Literal

from contracts.base import MICRO

WORLD = "world"
"""Where money comes from; the only account that may be negative."""
CARD_CLEARING = "card_clearing"
"""What users paid for agents' purchases, until the card rail has spent it."""


HOLDS = "hold:"
"""How the statement account of a task's holds begins; the task's id follows."""
PLATFORM_FEES = "platform_fees"
"""What the platform kept of agents' pay."""


PAYOUTS = "seller_payouts"
"""What is on its way to sellers, until the rail has paid it or has refused to."""


def wallet_of(account: str) -> str:
    """The ledger account of a user account's wallet."""
    return f"wallet:{account}"


def earnings_of(agent_id: str) -> str:
    """The ledger account of what an agent has earned."""
    return f"agent:{agent_id}"


def seller_of(account: str) -> str:
    """The ledger account of what a seller can be paid out; below zero, what the seller owes."""
    return f"seller:{account}"


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of a transfer: `amount` BazaarBucks into (or, negative, out of) a ledger account."""

    ledger_account: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Transfer:
    """A balanced movement, whose it is, and what it was for."""

    id: str
    account: str
    kind: str
    postings: tuple[Posting, ...]
    task_id: str | None = None
    step_id: str | None = None


class Unbalanced(ValueError):
    """Postings that do not add up to zero."""


def balanced(postings: Iterable[Posting]) -> tuple[Posting, ...]:
    """The postings of a transfer without its empty lines.

    Raises:
        Unbalanced: they do not add up to zero.
    """
    lines = tuple(line for line in postings if line.amount)
    if sum((line.amount for line in lines), Decimal(0)) != 0:
        raise Unbalanced(lines)
    return lines


def capture_postings(
    account: str, agent_id: str, cost: Decimal, fee: Decimal, external: Decimal
) -> tuple[Posting, ...]:
    """What the capture of a step moves out of the wallet.

    Args:
        account: who pays.
        agent_id: who did the work.
        cost: BazaarBucks for the work; the same for the user whatever the fee is.
        fee: what the platform keeps of that.
        external: BazaarBucks for what the agent bought.
    """
    return balanced(
        (
            Posting(wallet_of(account), -(cost + external)),
            Posting(earnings_of(agent_id), cost - fee),
            Posting(PLATFORM_FEES, fee),
            Posting(CARD_CLEARING, external),
        )
    )


def fee_of(cost: Decimal, rate: Decimal) -> Decimal:
    """What the platform keeps of `cost`, rounded down to what the ledger can hold."""
    return (cost * rate).quantize(MICRO, rounding=ROUND_DOWN)


def fee_returned(amount: Decimal, charged: Decimal, fee: Decimal, refunded: Decimal) -> Decimal:
    """The part of a refund that the platform gives back: its share, and the rest with the last.

    Args:
        amount: BazaarBucks given back now.
        charged: what was paid for the step, with the fee.
        fee: what the platform kept of that.
        refunded: what was given back before.
    """

    def share(of: Decimal) -> Decimal:
        return (fee * of / charged).quantize(MICRO, rounding=ROUND_DOWN)

    return share(refunded + amount) - share(refunded)


def refund_postings(
    account: str, earner: str, amount: Decimal, fee: Decimal, external: Decimal = Decimal(0)
) -> tuple[Posting, ...]:
    """What a refund moves back into the wallet.

    Args:
        account: who gets it.
        earner: the ledger account that has what was paid for the work.
        amount: BazaarBucks of the work.
        fee: what of `amount` comes from the platform.
        external: BazaarBucks of what the agent bought.
    """
    return balanced(
        (
            Posting(earner, -(amount - fee)),
            Posting(PLATFORM_FEES, -fee),
            Posting(CARD_CLEARING, -external),
            Posting(wallet_of(account), amount + external),
        )
    )


def grant_postings(account: str, amount: Decimal) -> tuple[Posting, ...]:
    """What opening a wallet with money moves."""
    return balanced((Posting(WORLD, -amount), Posting(wallet_of(account), amount)))


@dataclass(frozen=True, slots=True)
class Reversal:
    """What Stripe told of a charge that went back to who paid it, in full or in part.

    Attributes:
        id: of the refund or the dispute at Stripe; of the charge, for the sum of its refunds.
        intent_id: of the payment at Stripe.
        kind: a refund is told of by itself and in the sum of its charge, in any order.
        amount: BazaarBucks.
        taken: whether the money is with the payer or on its way there.
        rank: how near to its end it is; what is over does not begin again.
        told_at: when that was so, in seconds since 1970.
    """

    id: str
    intent_id: str
    kind: Literal["charge", "refund", "dispute"]
    amount: Decimal
    taken: bool
    rank: int
    told_at: int


def taken_back(paid: Decimal, known: Sequence[Reversal]) -> Decimal:
    """What of a top-up Stripe has taken back by refunds and disputes: never more than was paid.

    Args:
        paid: BazaarBucks that it credited.
        known: what was told of it, each refund, dispute and charge as it was last.
    """
    refunds = [one for one in known if one.kind == "refund"]
    counted = [
        one.amount - sum(x.amount for x in refunds if not x.taken and x.told_at >= one.told_at)
        for one in known
        if one.kind == "charge"
    ]
    refunded = max([*counted, sum((x.amount for x in refunds if x.taken), Decimal(0))])
    disputed = sum((x.amount for x in known if x.kind == "dispute" and x.taken), Decimal(0))
    return min(paid, refunded + disputed)


def reversal_postings(account: str, amount: Decimal) -> tuple[Posting, ...]:
    """What taking a top-up back moves; a negative amount gives it again."""
    return balanced((Posting(wallet_of(account), -amount), Posting(WORLD, amount)))


CLOSED = "This account is closed; it spends nothing more."


def not_covered(amount: Decimal, owed: Decimal, *, closed: bool = False) -> str:
    """Why a wallet pays nothing now, as a sentence.

    Args:
        amount: BazaarBucks that are wanted.
        owed: what the wallet lacks because a top-up was taken back.
        closed: whether the account is closed.
    """
    if closed:
        return CLOSED
    if owed:
        return (
            f"The wallet owes {owed.normalize():f} BazaarBucks, because a top-up was refunded or "
            "disputed; nothing more is spent until that is paid."
        )
    return f"The wallet does not cover {amount.normalize():f} BazaarBucks."


def extension(wanted: Decimal, held: Decimal, room: Decimal, available: Decimal) -> Decimal:
    """By how much a hold is raised: towards `wanted`, as far as budget and wallet allow.

    Args:
        wanted: what the step costs, in BazaarBucks.
        held: what is set aside for it already.
        room: what the task's budget still allows beyond all holds and captures.
        available: what the wallet has beyond all holds.
    """
    return max(Decimal(0), min(wanted - held, room, available))


def within_quote(wanted: Decimal, quoted: Decimal | None, tolerance: Decimal) -> Decimal:
    """What of `wanted` BazaarBucks a promise of `quoted` allows; all of it when there is none."""
    if quoted is None:
        return wanted
    return min(wanted, (quoted * tolerance).quantize(MICRO, rounding=ROUND_DOWN))
