"""Accounts can be closed. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add when and why a wallet was closed."""
    for column in (
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_reason", sa.Text()),
    ):
        op.add_column("ledger_accounts", column, schema="payment")
