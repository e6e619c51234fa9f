"""What the step of a hold was promised to cost. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the columns; for the holds that are there, nothing was promised."""
    for column in (
        sa.Column("quoted", sa.Numeric(20, 6), nullable=True),
        sa.Column("tolerance", sa.Numeric(4, 2), server_default="1", nullable=False),
    ):
        op.add_column("holds", column, schema="payment")
    op.create_check_constraint(
        "paid_within_quote", "holds", "captured + external <= quoted * tolerance", schema="payment"
    )
