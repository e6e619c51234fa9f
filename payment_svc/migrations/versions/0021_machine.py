"""Payments by machines: what came in, and what agents were sent. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

SIGNED = (
    ("network", 64),
    ("asset", 64),
    ("payer", 64),
    ("nonce", 80),
)


def _common() -> list[sa.Column[object]]:
    money, units = sa.Numeric(20, 6), sa.Numeric(40, 0)
    moment = sa.DateTime(timezone=True)
    return [
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        *(sa.Column(name, sa.String(length), nullable=False) for name, length in SIGNED),
        sa.Column("units", units, nullable=False),
        sa.Column("amount", money, nullable=False),
        sa.Column("valid_before", moment, nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
    ]


def upgrade() -> None:
    """Add two tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "machine_receipts",
        *_common(),
        sa.Column("protocol", sa.String(8), nullable=False),
        sa.Column("payment", sa.Text(), nullable=False),
        sa.Column("status", sa.String(10), server_default="new", nullable=False),
        sa.Column("transaction", sa.String(128), nullable=True),
        sa.Column("note", sa.String(500), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", moment, nullable=False),
        sa.CheckConstraint("units > 0 AND amount > 0", name="machine_amount_positive"),
        sa.CheckConstraint(
            "status IN ('new', 'sent', 'settled', 'refused', 'doubt')",
            name="known_machine_status",
        ),
        sa.CheckConstraint(
            "(status = 'settled') = (transaction IS NOT NULL)", name="settled_by_a_transaction"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("network", "asset", "payer", "nonce", name="one_receipt_per_nonce"),
        schema="payment",
    )
    op.create_index(
        "machine_receipts_transaction_idx",
        "machine_receipts",
        ["network", "transaction"],
        unique=True,
        schema="payment",
        postgresql_where=sa.text("transaction IS NOT NULL"),
    )
    op.create_index(
        "machine_receipts_due_idx",
        "machine_receipts",
        ["next_attempt_at"],
        schema="payment",
        postgresql_where=sa.text("status = 'sent'"),
    )
    op.create_table(
        "machine_payments",
        *_common(),
        sa.Column("work", sa.String(64), nullable=False),
        sa.Column("hold_id", sa.String(64), nullable=False),
        sa.Column("agent_id", sa.String(64), nullable=False),
        sa.Column("pay_to", sa.String(64), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("status", sa.String(10), server_default="signed", nullable=False),
        sa.CheckConstraint("units > 0 AND amount > 0", name="machine_pay_positive"),
        sa.CheckConstraint(
            "status IN ('signed', 'paid', 'lapsed')", name="known_machine_pay_status"
        ),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    op.create_index(
        "machine_payments_work_idx",
        "machine_payments",
        ["account", "work"],
        unique=True,
        schema="payment",
        postgresql_where=sa.text("status = 'signed'"),
    )
    op.create_index("machine_payments_hold_idx", "machine_payments", ["hold_id"], schema="payment")
    op.create_index(
        "machine_payments_out_idx",
        "machine_payments",
        ["created_at"],
        schema="payment",
        postgresql_where=sa.text("status = 'signed'"),
    )
