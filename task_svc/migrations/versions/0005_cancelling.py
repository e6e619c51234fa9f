"""Tasks that were cancelled, and turns that were before their task began."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Only additions: a replica of the release before works on."""
    cancelled = sa.Column("cancelled_at", sa.DateTime(timezone=True))
    op.add_column("tasks", cancelled, schema="task")
    op.create_table(
        "cancelled_turns",
        sa.Column("turn_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("turn_id"),
        schema="task",
    )
