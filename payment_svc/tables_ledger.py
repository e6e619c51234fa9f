"""Tables of the ledger: wallets, their entries, checkpoints, and what the task service has to hear.

Amounts are BazaarBucks.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Numeric,
    String,
    Table,
    Text,
    or_,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis.db.grants import APPEND_ONLY, NEVER_DELETED
from payment_svc.schema import MONEY, created_at, metadata

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
