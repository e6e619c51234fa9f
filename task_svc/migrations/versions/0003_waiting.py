"""A room for messages that wait; how often a step failed for a reason that nobody expected."""

import sqlalchemy as sa
from alembic import op

from chassis.db.messaging_v2 import create_waiting_room

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the waiting room, and a column that rows may do without."""
    create_waiting_room("task")
    op.add_column(
        "steps",
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        schema="task",
    )
