"""The first tables of the schema `task`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from chassis.db.messaging_v1 import create_messaging_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "steps",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("turn_id", sa.String(length=64), nullable=True),
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("skill", sa.String(length=100), nullable=False),
        sa.Column("subtask_type", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("depends_on", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("waits_for", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_price", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("max_budget", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("quote", sa.JSON(), nullable=True),
        sa.Column("cause", sa.JSON(), nullable=False),
        sa.Column("cost", sa.Numeric(precision=20, scale=6), server_default="0", nullable=False),
        sa.Column(
            "external_cost", sa.Numeric(precision=20, scale=6), server_default="0", nullable=False
        ),
        sa.Column("requires_external_tool", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("execution_time", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'in_progress', 'completed', 'failed')", name="known_step_status"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("seq"),
        schema="task",
    )
    op.create_index(
        "steps_open_idx",
        "steps",
        ["next_attempt_at"],
        unique=False,
        schema="task",
        postgresql_where=sa.text("status IN ('pending', 'in_progress') AND waits_for = 0"),
    )
    op.create_index("steps_page_idx", "steps", ["task_id", "seq"], unique=False, schema="task")
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("user_query", sa.Text(), nullable=False),
        sa.Column("required_skills", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("done_skills", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("max_budget", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column(
            "total_cost", sa.Numeric(precision=20, scale=6), server_default="0", nullable=False
        ),
        sa.Column("open_steps", sa.Integer(), server_default="0", nullable=False),
        sa.Column("turn_id", sa.String(length=64), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('created', 'in_progress', 'completed', 'failed')", name="known_status"
        ),
        sa.CheckConstraint("open_steps >= 0", name="open_steps_not_negative"),
        sa.CheckConstraint("total_cost <= max_budget", name="within_budget"),
        sa.PrimaryKeyConstraint("id"),
        schema="task",
    )
    op.create_index(
        "tasks_page_idx",
        "tasks",
        ["account", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        schema="task",
    )
    create_messaging_tables("task")
