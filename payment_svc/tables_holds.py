"""Tables of what is set aside: budgets of tasks, holds of their steps, and the journal of holds.

Amounts are BazaarBucks.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Numeric,
    String,
    Table,
)

from chassis.db.grants import APPEND_ONLY, NEVER_DELETED
from payment_svc.schema import MONEY, created_at, metadata

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
