"""Negotiations with agents, tasks that are taken up again, callers that another replica answers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table of negotiations, and columns that rows may do without."""
    op.create_table(
        "negotiations",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("turn_id", sa.String(length=64), nullable=True),
        sa.Column("max_price", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("quote", sa.JSON(), nullable=False),
        sa.Column("offers", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("status", sa.String(length=12), server_default="open", nullable=False),
        sa.Column("price", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("step_id", sa.String(length=64), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("status IN ('open', 'agreed', 'not_agreed')", name="known_standing"),
        sa.CheckConstraint("(status = 'agreed') = (price IS NOT NULL)", name="agreed_with_price"),
        sa.CheckConstraint("price <= max_price", name="within_max_price"),
        sa.PrimaryKeyConstraint("account", "id"),
        schema="task",
    )
    op.add_column(
        "tasks",
        sa.Column("former_turns", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        schema="task",
    )
    for name, length in (("replaces", 64), ("negotiation_id", 64), ("reply_to", 200)):
        column = sa.Column(name, sa.String(length=length), nullable=True)
        op.add_column("steps", column, schema="task")
