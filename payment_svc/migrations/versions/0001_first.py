"""The first tables of the schema `payment`."""

import sqlalchemy as sa
from alembic import op

from chassis.db.messaging_v1 import create_messaging_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "bazaarbucks_payments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("step_id", sa.String(length=64), nullable=False),
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("amount", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("amount > 0", name="amount_positive"),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    op.create_index(
        "bazaarbucks_page_idx",
        "bazaarbucks_payments",
        ["account", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        schema="payment",
    )
    op.create_table(
        "budgets",
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("max_budget", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("held", sa.Numeric(precision=20, scale=6), server_default="0", nullable=False),
        sa.Column(
            "captured", sa.Numeric(precision=20, scale=6), server_default="0", nullable=False
        ),
        sa.CheckConstraint("held + captured <= max_budget", name="within_budget"),
        sa.CheckConstraint("held >= 0 AND captured >= 0", name="sums_not_negative"),
        sa.PrimaryKeyConstraint("task_id"),
        schema="payment",
    )
    op.create_table(
        "entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("transfer_id", sa.String(length=64), nullable=False),
        sa.Column("ledger_account", sa.String(length=80), nullable=False),
        sa.Column("amount", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=True),
        sa.Column("step_id", sa.String(length=64), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("amount <> 0", name="no_empty_lines"),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    op.create_index(
        "entries_statement_idx", "entries", ["ledger_account", "id"], unique=False, schema="payment"
    )
    op.create_index(
        "entries_transfer_idx", "entries", ["transfer_id"], unique=False, schema="payment"
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("asked", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("held", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column(
            "captured", sa.Numeric(precision=20, scale=6), server_default="0", nullable=False
        ),
        sa.Column(
            "external", sa.Numeric(precision=20, scale=6), server_default="0", nullable=False
        ),
        sa.Column("refused", sa.Numeric(precision=20, scale=6), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('held', 'captured', 'released')", name="known_status"),
        sa.CheckConstraint("captured + external <= held", name="captured_within_held"),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    op.create_index(
        "holds_open_idx",
        "holds",
        ["created_at"],
        unique=False,
        schema="payment",
        postgresql_where=sa.text("status = 'held'"),
    )
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("posted", sa.Numeric(precision=20, scale=6), server_default="0", nullable=False),
        sa.Column("held", sa.Numeric(precision=20, scale=6), server_default="0", nullable=False),
        sa.CheckConstraint("id = 'world' OR posted - held >= 0", name="available_not_negative"),
        sa.CheckConstraint("held >= 0", name="held_not_negative"),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    op.create_table(
        "stripe_payments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=True),
        sa.Column("step_id", sa.String(length=64), nullable=True),
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("vendor", sa.String(length=200), nullable=False),
        sa.Column("amount", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("rail", sa.String(length=10), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("amount > 0", name="card_amount_positive"),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    op.create_index(
        "stripe_page_idx",
        "stripe_payments",
        ["account", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        schema="payment",
    )
    create_messaging_tables("payment")
    op.execute(
        """
        CREATE FUNCTION payment.check_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF EXISTS (SELECT FROM written GROUP BY transfer_id HAVING sum(amount) <> 0) THEN
            RAISE EXCEPTION 'a transfer does not add up to zero' USING ERRCODE = 'check_violation';
          END IF;
          RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER entries_balanced AFTER INSERT ON payment.entries
        REFERENCING NEW TABLE AS written
        FOR EACH STATEMENT EXECUTE FUNCTION payment.check_balanced()
        """
    )
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON payment.entries FROM CURRENT_USER")
