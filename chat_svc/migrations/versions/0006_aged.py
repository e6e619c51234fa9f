"""Turns of long ago lose their moves, calls and causes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add a mark that rows may do without, and the index by which old rows are found."""
    op.add_column(
        "turns",
        sa.Column("aged", sa.Boolean(), server_default="false", nullable=False),
        schema="chat",
    )
    op.create_index(
        "turns_aging_idx",
        "turns",
        ["created_at"],
        schema="chat",
        postgresql_where=sa.text("NOT aged AND status = 'done'"),
    )
