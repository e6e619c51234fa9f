"""Tables of payments by machines: what came in, and what agents were sent."""

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from chassis.db.grants import NEVER_DELETED
from payment_svc.schema import MONEY, created_at, metadata

UNITS = Numeric(40, 0)
"""Of a token, of which it has the most digits that it knows."""


def _signed() -> list[Column[Any]]:
    """What was signed: so much of which token, by whom, once and until when; its worth here."""
    return [
        Column("network", String(64), nullable=False),
        Column("asset", String(64), nullable=False),
        Column("payer", String(64), nullable=False),
        Column("nonce", String(80), nullable=False),
        Column("units", UNITS, nullable=False),
        Column("amount", MONEY, nullable=False),
        Column("valid_before", DateTime(timezone=True), nullable=False),
    ]


machine_receipts = Table(
    "machine_receipts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    # How it came: x402, mpp.
    Column("protocol", String(8), nullable=False),
    *_signed(),
    # What was signed, as the facilitator gets it.
    Column("payment", Text, nullable=False),
    # new: nobody was asked to settle it; sent: somebody was, perhaps; then settled, refused, doubt.
    Column("status", String(10), nullable=False, server_default="new"),
    Column("transaction", String(128)),
    Column("note", String(500)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # In hand until then; then whoever comes next takes it in hand.
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    created_at(),
    UniqueConstraint("network", "asset", "payer", "nonce", name="one_receipt_per_nonce"),
    CheckConstraint("units > 0 AND amount > 0", name="machine_amount_positive"),
    CheckConstraint(
        "status IN ('new', 'sent', 'settled', 'refused', 'doubt')", name="known_machine_status"
    ),
    CheckConstraint(
        "(status = 'settled') = (transaction IS NOT NULL)", name="settled_by_a_transaction"
    ),
    info=dict(NEVER_DELETED),
)
Index(
    "machine_receipts_transaction_idx",
    machine_receipts.c.network,
    machine_receipts.c.transaction,
    unique=True,
    postgresql_where=machine_receipts.c.transaction.is_not(None),
)
Index(
    "machine_receipts_due_idx",
    machine_receipts.c.next_attempt_at,
    postgresql_where=machine_receipts.c.status == "sent",
)

machine_payments = Table(
    "machine_payments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    # The Idempotency-Key that the agent knows the work by, and the hold that pays for it.
    Column("work", String(64), nullable=False),
    Column("hold_id", String(64), nullable=False),
    Column("agent_id", String(64), nullable=False),
    *_signed(),
    Column("pay_to", String(64), nullable=False),
    Column("signature", Text, nullable=False),
    # signed: it may have been taken; paid: its step was completed; lapsed: it cannot be any more.
    Column("status", String(10), nullable=False, server_default="signed"),
    created_at(),
    CheckConstraint("units > 0 AND amount > 0", name="machine_pay_positive"),
    CheckConstraint("status IN ('signed', 'paid', 'lapsed')", name="known_machine_pay_status"),
    info=dict(NEVER_DELETED),
)
Index(
    "machine_payments_work_idx",
    machine_payments.c.account,
    machine_payments.c.work,
    unique=True,
    postgresql_where=machine_payments.c.status == "signed",
)
Index("machine_payments_hold_idx", machine_payments.c.hold_id)
Index(
    "machine_payments_out_idx",
    machine_payments.c.created_at,
    postgresql_where=machine_payments.c.status == "signed",
)
