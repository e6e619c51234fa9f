"""When the step of an open hold is asked after, and what was said. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the columns; nobody was asked after so far."""
    for column in (
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("running", sa.Boolean(), server_default="false", nullable=False),
    ):
        op.add_column("holds", column, schema="payment")
