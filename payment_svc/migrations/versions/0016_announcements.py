"""What the task service has to hear, until it has. Only additions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the table; what was told so far is taken to be heard."""
    op.create_table(
        "announcements",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True),
        schema="payment",
    )
    op.create_index(
        "announcements_created_at_idx", "announcements", ["created_at"], schema="payment"
    )
