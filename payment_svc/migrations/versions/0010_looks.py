"""When Stripe is asked about a payment whose webhook has not come. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the time; by its default also for what release 0.2 stores, which knows nothing of it."""
    op.add_column(
        "stripe_payments",
        sa.Column(
            "look_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now() + interval '10 minutes'"),
            nullable=True,
        ),
        schema="payment",
    )
    op.create_index(
        "stripe_look_idx",
        "stripe_payments",
        ["look_at"],
        schema="payment",
        postgresql_where=sa.text("status = 'pending' AND next_attempt_at IS NULL"),
    )
