"""What a step was promised to cost. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column; of steps that began before, nothing was promised."""
    op.add_column("steps", sa.Column("quoted", sa.Numeric(20, 6), nullable=True), schema="task")
