"""What it takes to tell an end again, and to ask after tasks. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns, which are not known of older rows, and the index of tasks that wait."""
    for table, column in (
        ("steps", sa.Column("billed", sa.Numeric(20, 6), nullable=True)),
        ("steps", sa.Column("vendor", sa.Text(), nullable=True)),
        ("tasks", sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True)),
    ):
        op.add_column(table, column, schema="task")
    op.create_index(
        "tasks_orchestrated_idx",
        "tasks",
        ["created_at"],
        schema="task",
        postgresql_where=sa.text("status IN ('created', 'in_progress') AND turn_id IS NOT NULL"),
    )
