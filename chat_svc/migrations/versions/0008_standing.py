"""When what a turn waits for is asked after. Only an addition."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column; nobody was asked after so far."""
    op.add_column(
        "turns", sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True), schema="chat"
    )
