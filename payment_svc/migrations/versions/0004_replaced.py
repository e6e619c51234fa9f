"""Which step a hold replaces, and what the agent cost before a price was agreed. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the two columns; holds that are there replace nothing."""
    op.add_column("holds", sa.Column("replaces", sa.String(64), nullable=True), schema="payment")
    op.add_column(
        "holds", sa.Column("list_price", sa.Numeric(20, 6), nullable=True), schema="payment"
    )
