"""Turns move by move: rounds, tool calls, and what the language model used."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Only additions: a replica of the release before works on."""
    op.add_column("messages", sa.Column("orchestrator", sa.String(20)), schema="chat")
    op.add_column("messages", sa.Column("llm", sa.JSON(none_as_null=True)), schema="chat")
    for column in (
        sa.Column("round", sa.Integer(), server_default="0", nullable=False),
        sa.Column("orchestrator", sa.String(20)),
        sa.Column("task_begun", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("trouble", sa.Text()),
        sa.Column("answer", sa.Text()),
        sa.Column("stopped", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("weight", sa.Integer(), server_default="0", nullable=False),
    ):
        op.add_column("turns", column, schema="chat")
    op.create_index(
        "turns_history_idx",
        "turns",
        ["account", sa.literal_column("created_at DESC")],
        schema="chat",
        postgresql_where=sa.text("content != ''"),
    )
    op.create_table(
        "rounds",
        sa.Column("turn_id", sa.String(64), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("raw", sa.JSON(none_as_null=True)),
        sa.Column("model", sa.String(100)),
        sa.Column("input_tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cached_tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("turn_id", "round"),
        schema="chat",
    )
    op.create_table(
        "calls",
        sa.Column("turn_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("tool", sa.String(100), nullable=False),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("work", sa.JSON(none_as_null=True)),
        sa.Column("content", sa.Text()),
        sa.Column("error", sa.Boolean(), server_default="false", nullable=False),
        sa.PrimaryKeyConstraint("turn_id", "id"),
        schema="chat",
    )
