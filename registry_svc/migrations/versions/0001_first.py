"""The first tables of the schema `registry`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from chassis.db.messaging_v1 import create_messaging_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "agents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("skills", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("capabilities", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("base_price", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("endpoint_url", sa.Text(), nullable=False),
        sa.Column("seed_url", sa.Text(), nullable=True),
        sa.Column("input_schema", JSONB(), nullable=True),
        sa.Column("negotiable", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("info_known", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("available", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("failing_since", _moment(), server_default=sa.text("now()"), nullable=True),
        sa.Column("reported_load", sa.SmallInteger(), nullable=True),
        sa.Column("next_probe_at", _moment(), server_default=sa.text("now()"), nullable=False),
        sa.Column("active", sa.Integer(), server_default="0", nullable=False),
        sa.Column("jobs_completed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("response_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("faults", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("busy", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("registered_at", _moment(), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("base_price >= 0", name="base_price_not_negative"),
        sa.CheckConstraint("reported_load BETWEEN 0 AND 100", name="reported_load_is_percent"),
        sa.PrimaryKeyConstraint("id"),
        schema="registry",
    )
    op.create_index("agents_seq_idx", "agents", ["seq"], unique=True, schema="registry")
    op.create_index(
        "agents_next_probe_at_idx", "agents", ["next_probe_at"], unique=False, schema="registry"
    )
    # Counters change with every step: room for them beside each row spares the indexes.
    op.execute("ALTER TABLE registry.agents SET (fillfactor = 50)")
    create_messaging_tables("registry")


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)
