"""Turns that were cancelled."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Only additions: a replica of the release before works on."""
    cancelled = sa.Column("cancelled_at", sa.DateTime(timezone=True))
    op.add_column("turns", cancelled, schema="chat")
