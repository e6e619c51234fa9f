"""Real card payments: how far each one is, and what Stripe told. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the columns of an attempt, the table of webhooks, and the indexes of what is due."""
    for column in (
        sa.Column("intent_id", sa.String(255), nullable=True),
        sa.Column("session_id", sa.String(255), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_attempt_at", MOMENT, nullable=True),
        sa.Column("next_attempt_at", MOMENT, nullable=True),
        sa.Column("note", sa.String(500), nullable=True),
    ):
        op.add_column("stripe_payments", column, schema="payment")
    op.create_index(
        "stripe_due_idx",
        "stripe_payments",
        ["next_attempt_at"],
        schema="payment",
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_table(
        "stripe_events",
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", MOMENT, server_default=sa.text("now()"), nullable=True),
        sa.Column("outcome", sa.String(500), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    op.create_index(
        "stripe_events_due_idx",
        "stripe_events",
        ["next_attempt_at"],
        schema="payment",
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "stripe_events_received_idx", "stripe_events", ["received_at"], schema="payment"
    )
