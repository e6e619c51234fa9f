"""Purchases that are too small to be charged by themselves. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add which purchases wait to be charged with another, and with which they are."""
    op.add_column(
        "stripe_payments",
        sa.Column("on_tab", sa.Boolean(), server_default=sa.false(), nullable=False),
        schema="payment",
    )
    op.add_column(
        "stripe_payments", sa.Column("charged_with", sa.String(64), nullable=True), schema="payment"
    )
    op.create_index(
        "stripe_tab_idx",
        "stripe_payments",
        ["charged_with"],
        schema="payment",
        postgresql_where=sa.text("on_tab"),
    )
