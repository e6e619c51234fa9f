"""Agents without answers are left alone; accounts are closed. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add what breakers are made of, and whose listings are closed."""
    op.create_table(
        "closed_accounts",
        sa.Column("account", sa.String(64), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "closed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        schema="registry",
    )
    op.add_column(
        "agents",
        sa.Column("silent", sa.Integer(), server_default="0", nullable=False),
        schema="registry",
    )
    op.add_column("agents", sa.Column("silent_at", sa.DateTime(timezone=True)), schema="registry")
