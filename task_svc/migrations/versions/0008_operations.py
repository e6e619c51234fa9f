"""Where the agent of a step that takes long said to ask for its outcome. Only an addition."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"


def upgrade() -> None:
    """Add the column; steps of before have no such place."""
    op.add_column("steps", sa.Column("operation", sa.JSON(), nullable=True), schema="task")
