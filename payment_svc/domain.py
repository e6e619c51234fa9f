"""Rules of money, without I/O: names of ledger accounts, postings, what a capture moves.

Every movement is a transfer: postings whose amounts add up to zero. A positive amount comes into
an account, a negative one leaves it. Money enters the system only out of `WORLD`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

WORLD = "world"
"""Where money comes from; the only account that may be negative."""
CARD_CLEARING = "card_clearing"
"""What users paid for agents' purchases, until the card rail has spent it."""


def wallet_of(account: str) -> str:
    """The ledger account of a user account's wallet."""
    return f"wallet:{account}"


def earnings_of(agent_id: str) -> str:
    """The ledger account of what an agent has earned."""
    return f"agent:{agent_id}"


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of a transfer: `amount` BazaarBucks into (or, negative, out of) a ledger account."""

    ledger_account: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Transfer:
    """A balanced movement and what it was for."""

    id: str
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
    account: str, agent_id: str, cost: Decimal, external: Decimal
) -> tuple[Posting, ...]:
    """What the capture of a step moves: the agent's pay, and what it bought, out of the wallet."""
    return balanced(
        (
            Posting(wallet_of(account), -(cost + external)),
            Posting(earnings_of(agent_id), cost),
            Posting(CARD_CLEARING, external),
        )
    )


def grant_postings(account: str, amount: Decimal) -> tuple[Posting, ...]:
    """What opening a wallet with money moves."""
    return balanced((Posting(WORLD, -amount), Posting(wallet_of(account), amount)))


def extension(wanted: Decimal, held: Decimal, room: Decimal, available: Decimal) -> Decimal:
    """By how much a hold is raised: towards `wanted`, as far as budget and wallet allow.

    Args:
        wanted: what the step costs, in BazaarBucks.
        held: what is set aside for it already.
        room: what the task's budget still allows beyond all holds and captures.
        available: what the wallet has beyond all holds.
    """
    return max(Decimal(0), min(wanted - held, room, available))
