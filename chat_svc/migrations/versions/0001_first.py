"""The first tables of the schema `chat`."""

import sqlalchemy as sa
from alembic import op

from chassis.db.messaging_v1 import create_messaging_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "messages",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("turn_id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=True),
        sa.Column("cost_breakdown", sa.JSON(none_as_null=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("role IN ('user', 'assistant')", name="known_role"),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        schema="chat",
    )
    op.create_index(
        "messages_page_idx", "messages", ["account", "seq"], unique=False, schema="chat"
    )
    op.create_table(
        "turns",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("max_budget", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("progress", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("cause", sa.JSON(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('thinking', 'acting', 'settling', 'done')", name="known_status"
        ),
        sa.PrimaryKeyConstraint("id"),
        schema="chat",
    )
    op.create_index(
        "turns_open_idx",
        "turns",
        ["deadline_at"],
        unique=False,
        schema="chat",
        postgresql_where=sa.text("status != 'done'"),
    )
    op.create_index(
        "turns_result_idx",
        "turns",
        ["account", sa.literal_column("created_at DESC")],
        unique=False,
        schema="chat",
        postgresql_where=sa.text("result IS NOT NULL"),
    )
    create_messaging_tables("chat")
