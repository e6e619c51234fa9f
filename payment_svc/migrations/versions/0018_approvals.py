"""Steps that wait for a person. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add a limit and a table; what is there needs nobody's approval."""
    money = sa.Numeric(20, 6)
    moment = sa.DateTime(timezone=True)
    op.add_column("spenders", sa.Column("approve_above", money, nullable=True), schema="payment")
    op.create_table(
        "approvals",
        sa.Column("step_id", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("task_id", sa.String(64), nullable=False),
        sa.Column("agent_id", sa.String(64), nullable=False),
        sa.Column("turn_id", sa.String(64), nullable=True),
        sa.Column("spender", sa.String(64), nullable=False),
        sa.Column("amount", money, nullable=False),
        sa.Column("state", sa.String(10), server_default="waiting", nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("decided_at", moment, nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'rejected', 'expired', 'over')", name="known_state"
        ),
        sa.PrimaryKeyConstraint("step_id"),
        schema="payment",
    )
    newest = [sa.text("created_at DESC"), sa.text("step_id DESC")]
    op.create_index("approvals_page_idx", "approvals", ["account", *newest], schema="payment")
