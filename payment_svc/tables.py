"""Tables of the schema `payment`. Amounts are BazaarBucks, NUMERIC(20,6)."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    Numeric,
    String,
    Table,
    Text,
    and_,
    false,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis.db.grants import APPEND_ONLY, NEVER_DELETED
from payment_svc.schema import MONEY, created_at, metadata
from payment_svc.tables_hooks import webhook_deliveries, webhooks
from payment_svc.tables_selling import agent_owners, disputes, earnings, payouts, sellers
from payment_svc.tables_spending import approvals, spenders
from payment_svc.tables_stripe import card_reversals, stripe_events, top_up_returns

__all__ = [
    "MONEY",
    "agent_owners",
    "announcements",
    "approvals",
    "bazaarbucks_payments",
    "budgets",
    "card_reversals",
    "checkpoint_sums",
    "checkpoints",
    "disputes",
    "earnings",
    "entries",
    "hold_lines",
    "holds",
    "ledger_accounts",
    "metadata",
    "payouts",
    "sellers",
    "spenders",
    "stripe_events",
    "stripe_payments",
    "top_up_returns",
    "webhook_deliveries",
    "webhooks",
]

LOOK_AT = "now() + interval '10 minutes'"


ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("posted", MONEY, nullable=False, server_default="0"),
    Column("held", MONEY, nullable=False, server_default="0"),
    # What it lacks because a top-up was taken back. A trigger lowers it with all that comes in.
    Column("owed", MONEY, nullable=False, server_default="0"),
    # When and why an administrator closed it: nothing is set aside any more.
    Column("closed_at", DateTime(timezone=True)),
    Column("closed_reason", Text),
    CheckConstraint("held >= 0", name="held_not_negative"),
    CheckConstraint("owed >= 0", name="owed_not_negative"),
    CheckConstraint("id = 'world' OR posted - held + owed >= 0", name="available_not_negative"),
    info=dict(NEVER_DELETED),
)

entries = Table(
    "entries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("transfer_id", String(64), nullable=False),
    Column("ledger_account", String(80), nullable=False),
    Column("amount", MONEY, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("account", String(64), nullable=False, server_default="demo"),
    Column("task_id", String(64)),
    Column("step_id", String(64)),
    created_at(),
    CheckConstraint("amount <> 0", name="no_empty_lines"),
    info=dict(APPEND_ONLY),
)
Index("entries_statement_idx", entries.c.account, entries.c.ledger_account, entries.c.id)
# What agents and sellers have is shown to their owners, whoever's transfer it was.
Index(
    "entries_earned_idx",
    entries.c.ledger_account,
    entries.c.id,
    postgresql_where=or_(
        entries.c.ledger_account.like("agent:%"), entries.c.ledger_account.like("seller:%")
    ),
)
Index("entries_transfer_idx", entries.c.transfer_id)
Index("entries_step_idx", entries.c.step_id)

budgets = Table(
    "budgets",
    metadata,
    Column("task_id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("max_budget", MONEY, nullable=False),
    Column("held", MONEY, nullable=False, server_default="0"),
    Column("captured", MONEY, nullable=False, server_default="0"),
    CheckConstraint("held >= 0 AND captured >= 0", name="sums_not_negative"),
    CheckConstraint("held + captured <= max_budget", name="within_budget"),
    info=dict(NEVER_DELETED),
)

holds = Table(
    "holds",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("task_id", String(64), nullable=False),
    Column("agent_id", String(64), nullable=False),
    Column("asked", MONEY, nullable=False),
    Column("held", MONEY, nullable=False),
    Column("status", String(10), nullable=False),
    Column("captured", MONEY, nullable=False, server_default="0"),
    Column("external", MONEY, nullable=False, server_default="0"),
    Column("refused", MONEY, nullable=False, server_default="0"),
    Column("fee", MONEY, nullable=False, server_default="0"),
    Column("refunded", MONEY, nullable=False, server_default="0"),
    Column("external_refunded", MONEY, nullable=False, server_default="0"),
    Column("replaces", String(64)),
    Column("list_price", MONEY),
    created_at(),
    Column("resolved_at", DateTime(timezone=True)),
    # When its step is asked after next, and whether it went on when it was asked after last.
    Column("ask_at", DateTime(timezone=True)),
    Column("running", Boolean, nullable=False, server_default="false"),
    # What the step was promised to cost, and how many times that is paid at most.
    Column("quoted", MONEY),
    Column("tolerance", Numeric(4, 2), nullable=False, server_default="1"),
    # The credential that it was placed with, when that has limits.
    Column("spender", String(64)),
    CheckConstraint("captured + external <= quoted * tolerance", name="paid_within_quote"),
    CheckConstraint("status IN ('held', 'captured', 'released')", name="known_status"),
    CheckConstraint("captured + external <= held", name="captured_within_held"),
    CheckConstraint("fee BETWEEN 0 AND captured", name="fee_within_captured"),
    CheckConstraint("refunded BETWEEN 0 AND captured", name="refunded_within_captured"),
    CheckConstraint(
        "external_refunded BETWEEN 0 AND external", name="external_refunded_within_external"
    ),
    info=dict(NEVER_DELETED),
)
Index("holds_task_idx", holds.c.task_id, holds.c.created_at)
Index(
    "holds_spender_idx",
    holds.c.spender,
    holds.c.created_at,
    postgresql_where=holds.c.spender.is_not(None),
)
Index("holds_open_idx", holds.c.created_at, postgresql_where=holds.c.status == "held")

hold_lines = Table(
    "hold_lines",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("hold_id", String(64), nullable=False),
    Column("task_id", String(64), nullable=False),
    Column("account", String(64), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("amount", MONEY, nullable=False),
    created_at(),
    CheckConstraint("amount <> 0", name="no_empty_hold_lines"),
    info=dict(APPEND_ONLY),
)
"""The journal of holds, written by triggers of `holds`; nobody may change it."""
Index("hold_lines_task_idx", hold_lines.c.task_id, hold_lines.c.id)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("entries_to", BigInteger, nullable=False),
    Column("hold_lines_to", BigInteger, nullable=False),
    created_at(),
    info=dict(APPEND_ONLY),
)
checkpoint_sums = Table(
    "checkpoint_sums",
    metadata,
    Column("ledger_account", String(80), primary_key=True),
    Column("checkpoint_id", BigInteger, primary_key=True, autoincrement=False),
    Column("posted", Numeric(26, 6), nullable=False),
    info=dict(APPEND_ONLY),
)

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

# What the task service has to hear, as it is published, until it has.
announcements = Table(
    "announcements",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("type", String(40), nullable=False),
    Column("body", JSONB, nullable=False),
    created_at(),
    Column("ask_at", DateTime(timezone=True)),
)
Index("announcements_created_at_idx", announcements.c.created_at)

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
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("first_attempt_at", DateTime(timezone=True)),
    Column("next_attempt_at", DateTime(timezone=True)),
    # When Stripe is asked about a payment that waits for a webhook.
    Column("look_at", DateTime(timezone=True), server_default=text(LOOK_AT)),
    Column("note", String(500)),
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
