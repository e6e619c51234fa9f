"""Where agents said to ask for what they work on, and credentials for agents. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column, which steps of before have nothing in, and the table."""
    op.add_column("steps", sa.Column("operation", sa.JSON(), nullable=True), schema="task")
    op.create_table(
        "agent_credentials",
        sa.Column("agent_id", sa.String(64), primary_key=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("header", sa.String(100), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        schema="task",
    )
