"""Credentials that may spend no more than so much, and what waits for a person; BazaarBucks."""

from sqlalchemy import ARRAY, CheckConstraint, Column, DateTime, Index, String, Table, Text

from chassis.db.grants import NEVER_DELETED
from payment_svc.schema import MONEY, created_at, metadata

spenders = Table(
    "spenders",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    # A session may spend and see what it spent on; a key may all that its scopes allow.
    Column("kind", String(10), nullable=False),
    # SHA-256 of the whole credential.
    Column("hash", String(64), nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    # The limits; NULL for none.
    Column("most", MONEY),
    Column("per_task", MONEY),
    Column("per_day", MONEY),
    Column("agents", ARRAY(Text)),
    Column("note", String(200), nullable=False, server_default=""),
    created_at(),
    Column("expires_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    # What its holds hold, and what they paid less what was given back.
    Column("held", MONEY, nullable=False, server_default="0"),
    Column("captured", MONEY, nullable=False, server_default="0"),
    # What a step may cost without a person's approval; NULL for anything.
    Column("approve_above", MONEY),
    CheckConstraint("kind IN ('session', 'key')", name="known_kind"),
    CheckConstraint("held >= 0 AND captured >= 0", name="spent_not_negative"),
    CheckConstraint("held + captured <= most", name="within_limit"),
    info=dict(NEVER_DELETED),
)
Index("spenders_page_idx", spenders.c.kind, spenders.c.created_at.desc(), spenders.c.id.desc())
Index(
    "spenders_account_idx",
    spenders.c.account,
    spenders.c.kind,
    spenders.c.created_at.desc(),
    spenders.c.id.desc(),
)

# Steps that cost more than their credential may spend unasked, by their ids.
approvals = Table(
    "approvals",
    metadata,
    Column("step_id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("task_id", String(64), nullable=False),
    Column("agent_id", String(64), nullable=False),
    Column("turn_id", String(64)),
    Column("spender", String(64), nullable=False),
    # What was asked for, and is good for when it is approved.
    Column("amount", MONEY, nullable=False),
    Column("state", String(10), nullable=False, server_default="waiting"),
    created_at(),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("decided_at", DateTime(timezone=True)),
    CheckConstraint(
        "state IN ('waiting', 'approved', 'rejected', 'expired', 'over')", name="known_state"
    ),
)
Index("approvals_created_idx", approvals.c.created_at)
Index(
    "approvals_page_idx",
    approvals.c.account,
    approvals.c.created_at.desc(),
    approvals.c.step_id.desc(),
)
