"""Ratings count buyers, and payers rate tasks. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MONEY = sa.Numeric(20, 6)


def upgrade() -> None:
    """Add what buyers think; what was counted before is one buyer's opinion."""
    for column in (
        sa.Column("opinions", MONEY, server_default="0", nullable=False),
        sa.Column("opinion_weight", MONEY, server_default="0", nullable=False),
        sa.Column("unique_buyers", sa.Integer(), server_default="0", nullable=False),
    ):
        op.add_column("agents", column, schema="registry")
    op.create_table(
        "buyers",
        sa.Column("agent_id", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("calls", sa.Numeric(20, 2), nullable=False),
        sa.Column("stars", sa.Numeric(20, 2), nullable=False),
        sa.Column("paid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "account"),
        schema="registry",
    )
    op.create_table(
        "task_ratings",
        sa.Column("task_id", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("stars", sa.SmallInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("stars BETWEEN 1 AND 5", name="stars_are_one_to_five"),
        sa.PrimaryKeyConstraint("task_id", "account"),
        schema="registry",
    )
    op.execute(
        """
        INSERT INTO registry.buyers (agent_id, account, calls, stars, paid)
        SELECT id, '', jobs_completed + faults + busy * 0.25, jobs_completed * 5, 0
        FROM registry.agents WHERE jobs_completed + faults + busy > 0
        """
    )
    op.execute(
        """
        UPDATE registry.agents a
        SET opinions = round(b.stars / (b.calls + 4), 6),
            opinion_weight = round(b.calls / (b.calls + 4), 6)
        FROM registry.buyers b WHERE b.agent_id = a.id
        """
    )
