"""Ids that callers choose are each account's own. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

ASKED = {"bazaarbucks_payments": "bazaarbucks_asked_idx", "stripe_payments": "stripe_asked_idx"}


def upgrade() -> None:
    """Add what a caller called a payment whose own id another account has."""
    for table, index in ASKED.items():
        op.add_column(table, sa.Column("asked_id", sa.String(64), nullable=True), schema="payment")
        op.create_index(
            index,
            table,
            ["account", "asked_id"],
            unique=True,
            schema="payment",
            postgresql_where=sa.text("asked_id IS NOT NULL"),
        )
