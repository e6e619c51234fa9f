"""Messages and turns by task, and one open turn per task."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Only indexes: a replica of the release before works on."""
    op.create_index("messages_task_idx", "messages", ["account", "task_id", "seq"], schema="chat")
    op.create_index(
        "turns_open_task_key",
        "turns",
        ["task_id"],
        unique=True,
        schema="chat",
        postgresql_where=sa.text("status != 'done'"),
    )
    op.create_index(
        "turns_task_idx",
        "turns",
        ["account", "task_id", sa.literal_column("created_at DESC")],
        schema="chat",
    )
