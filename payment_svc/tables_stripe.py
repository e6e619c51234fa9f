"""Tables of what Stripe told, and of what that moved."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    String,
    Table,
    Text,
    func,
)

from chassis.db.grants import APPEND_ONLY
from payment_svc.schema import MONEY, created_at, metadata

card_reversals = Table(
    "card_reversals",
    metadata,
    # Stripe's own: of a refund, of a dispute, or of a charge with the sum of its refunds.
    Column("id", String(255), primary_key=True),
    Column("intent_id", String(255), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("amount", MONEY, nullable=False),
    # Whether the money is with the payer, or on its way there.
    Column("taken", Boolean, nullable=False),
    # How near to its end it was, and when that was, so that an old event changes nothing.
    Column("rank", Integer, nullable=False),
    Column("told_at", BigInteger, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index("card_reversals_intent_idx", card_reversals.c.intent_id)
Index("card_reversals_received_idx", card_reversals.c.received_at)

top_up_returns = Table(
    "top_up_returns",
    metadata,
    Column("transfer_id", String(64), primary_key=True),
    Column("payment_id", String(64), nullable=False),
    # Taken out of the wallet; negative when it came back.
    Column("amount", MONEY, nullable=False),
    created_at(),
    CheckConstraint("amount <> 0", name="no_empty_returns"),
    info=dict(APPEND_ONLY),
)

stripe_events = Table(
    "stripe_events",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("type", String(255), nullable=False),
    Column("body", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", DateTime(timezone=True), nullable=True, server_default=func.now()),
    Column("outcome", String(500)),
)
Index(
    "stripe_events_due_idx",
    stripe_events.c.next_attempt_at,
    postgresql_where=stripe_events.c.next_attempt_at.is_not(None),
)
Index("stripe_events_received_idx", stripe_events.c.received_at)
