"""Tables of payments, as they are listed: out of wallets, and by cards. Amounts are BazaarBucks."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    String,
    Table,
    Text,
    and_,
    false,
    text,
)

from chassis.db.grants import APPEND_ONLY, NEVER_DELETED
from payment_svc.schema import MONEY, created_at, metadata, tried

LOOK_AT = "now() + interval '10 minutes'"

bazaarbucks_payments = Table(
    "bazaarbucks_payments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("task_id", String(64), nullable=False),
    Column("step_id", String(64), nullable=False),
    Column("agent_id", String(64), nullable=False),
    Column("amount", MONEY, nullable=False),
    Column("type", String(20), nullable=False),
    # What its owner called it, when another account has that as a row's id.
    Column("asked_id", String(64)),
    created_at(),
    CheckConstraint("amount > 0", name="amount_positive"),
    info=dict(APPEND_ONLY),
)
Index(
    "bazaarbucks_page_idx",
    bazaarbucks_payments.c.account,
    bazaarbucks_payments.c.created_at.desc(),
    bazaarbucks_payments.c.id.desc(),
)
Index("bazaarbucks_payments_step_idx", bazaarbucks_payments.c.step_id)
Index(
    "bazaarbucks_asked_idx",
    bazaarbucks_payments.c.account,
    bazaarbucks_payments.c.asked_id,
    unique=True,
    postgresql_where=bazaarbucks_payments.c.asked_id.is_not(None),
)

stripe_payments = Table(
    "stripe_payments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("task_id", String(64)),
    Column("step_id", String(64)),
    Column("agent_id", String(64), nullable=False),
    Column("vendor", String(200), nullable=False),
    Column("amount", MONEY, nullable=False),
    Column("status", String(10), nullable=False),
    Column("type", String(20), nullable=False),
    Column("rail", String(10), nullable=False),
    Column("intent_id", String(255)),
    Column("session_id", String(255)),
    *tried(),
    # When Stripe is asked about a payment that waits for a webhook.
    Column("look_at", DateTime(timezone=True), server_default=text(LOOK_AT)),
    Column("refund_of", String(64)),
    Column("page_url", Text),
    Column("asked_id", String(64)),
    # Whether it is too small to be charged by itself, and what it is charged with.
    Column("on_tab", Boolean, nullable=False, server_default=false()),
    Column("charged_with", String(64)),
    # What of a top-up Stripe has taken back, by refunds and disputes.
    Column("taken_back", MONEY, nullable=False, server_default="0"),
    created_at(),
    CheckConstraint("amount > 0", name="card_amount_positive"),
    CheckConstraint("taken_back BETWEEN 0 AND amount", name="taken_back_within_amount"),
    info=dict(NEVER_DELETED),
)
Index(
    "stripe_page_idx",
    stripe_payments.c.account,
    stripe_payments.c.created_at.desc(),
    stripe_payments.c.id.desc(),
)
Index(
    "stripe_due_idx",
    stripe_payments.c.next_attempt_at,
    postgresql_where=stripe_payments.c.next_attempt_at.is_not(None),
)
Index(
    "stripe_look_idx",
    stripe_payments.c.look_at,
    postgresql_where=and_(
        stripe_payments.c.status == "pending", stripe_payments.c.next_attempt_at.is_(None)
    ),
)
Index("stripe_tab_idx", stripe_payments.c.charged_with, postgresql_where=stripe_payments.c.on_tab)
Index("stripe_payments_step_idx", stripe_payments.c.step_id)
Index(
    "stripe_refund_idx",
    stripe_payments.c.refund_of,
    unique=True,
    postgresql_where=stripe_payments.c.refund_of.is_not(None),
)
Index(
    "stripe_asked_idx",
    stripe_payments.c.account,
    stripe_payments.c.asked_id,
    unique=True,
    postgresql_where=stripe_payments.c.asked_id.is_not(None),
)
Index(
    "stripe_intent_idx",
    stripe_payments.c.intent_id,
    postgresql_where=stripe_payments.c.intent_id.is_not(None),
)
Index(
    "stripe_taken_idx",
    stripe_payments.c.account,
    postgresql_where=stripe_payments.c.taken_back > 0,
)
