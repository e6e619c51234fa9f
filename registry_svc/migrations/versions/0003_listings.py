"""Listings have an owner, a state, and a way of being called and paid."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what a listing of 0.2.0 has no word for; the agents that are there stay as they are."""
    for column in (
        sa.Column("owner", sa.String(64)),
        sa.Column("state", sa.String(16), server_default="active", nullable=False),
        sa.Column("state_reason", sa.Text()),
        sa.Column("protocol", sa.String(16), server_default="native", nullable=False),
        sa.Column("tool", sa.String(200)),
        sa.Column("billing", JSONB(none_as_null=True)),
        sa.Column("limit_s", sa.Integer()),
        sa.Column("at_once", sa.Integer()),
    ):
        op.add_column("agents", column, schema="registry")
    op.create_check_constraint(
        "state_is_known",
        "agents",
        "state IN ('draft', 'active', 'suspended', 'retired')",
        schema="registry",
    )
    op.create_check_constraint(
        "protocol_is_known", "agents", "protocol IN ('native', 'a2a', 'mcp')", schema="registry"
    )
