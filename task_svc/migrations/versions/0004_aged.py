"""Steps that ended long ago lose their payloads and causes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a mark that rows may do without, and the index by which old rows are found."""
    op.add_column(
        "steps",
        sa.Column("aged", sa.Boolean(), server_default="false", nullable=False),
        schema="task",
    )
    op.create_index(
        "steps_aging_idx",
        "steps",
        ["completed_at"],
        schema="task",
        postgresql_where=sa.text("NOT aged AND completed_at IS NOT NULL"),
    )
