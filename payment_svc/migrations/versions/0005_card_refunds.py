"""Purchases that are given back, to the wallet and to the card. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add what a hold gave back of a purchase, and which purchase a card refund is of."""
    op.add_column(
        "holds",
        sa.Column("external_refunded", sa.Numeric(20, 6), server_default="0", nullable=False),
        schema="payment",
    )
    op.create_check_constraint(
        "external_refunded_within_external",
        "holds",
        "external_refunded BETWEEN 0 AND external",
        schema="payment",
    )
    op.add_column(
        "stripe_payments", sa.Column("refund_of", sa.String(64), nullable=True), schema="payment"
    )
    op.create_index(
        "stripe_refund_idx",
        "stripe_payments",
        ["refund_of"],
        unique=True,
        schema="payment",
        postgresql_where=sa.text("refund_of IS NOT NULL"),
    )
