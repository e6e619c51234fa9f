"""Promises, what quotes are sealed with, and who made a task. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add columns and a table; of steps that began before, nothing was promised."""
    op.add_column("steps", sa.Column("quoted", sa.Numeric(20, 6), nullable=True), schema="task")
    op.add_column("tasks", sa.Column("spender", sa.String(64), nullable=True), schema="task")
    op.create_table(
        "quote_secrets",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name="one_secret"),
        sa.PrimaryKeyConstraint("id"),
        schema="task",
    )
