"""Rows of the hot path as what they are: their columns in the order of the tables."""

from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple


class Hold(NamedTuple):
    """A row of `holds`; amounts in BazaarBucks."""

    id: str
    account: str
    task_id: str
    agent_id: str
    asked: Decimal
    held: Decimal
    status: Literal["held", "captured", "released"]
    captured: Decimal
    external: Decimal
    refused: Decimal
    fee: Decimal
    refunded: Decimal
    external_refunded: Decimal
    replaces: str | None
    list_price: Decimal | None
    created_at: datetime
    resolved_at: datetime | None
    ask_at: datetime | None
    running: bool
    quoted: Decimal | None
    tolerance: Decimal
    spender: str | None


class Placed(NamedTuple):
    """Whether a hold was stored; what was held for the one that it replaces, and by whom."""

    placed: bool
    freed: Decimal
    freed_of: str | None


class Reserved(NamedTuple):
    """Whether an amount was set aside in a wallet, what that owes, and whether it is closed."""

    done: bool
    owed: Decimal
    closed: bool


class Placing(NamedTuple):
    """Whether a hold was placed all at once, or what was in its way.

    Attributes:
        row_id: of the outbox row; None when it was not placed.
        known: whether there was a hold of its id.
        within: whether the budget covers it.
        covered: whether the wallet does.
        owed: what that owes.
        closed: whether it is closed.
    """

    row_id: int | None
    known: bool
    within: bool
    covered: bool
    owed: Decimal
    closed: bool
