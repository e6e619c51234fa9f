"""Who is told by A2A how one task goes on; and approvals that are forgotten. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add a kind of webhook and a table; what is there is an account's own."""
    moment = sa.DateTime(timezone=True)
    kind = sa.Column("kind", sa.String(10), server_default="account", nullable=False)
    op.add_column("webhooks", kind, schema="payment")
    op.create_check_constraint(
        "known_kind", "webhooks", "kind IN ('account', 'push')", schema="payment"
    )
    op.create_table(
        "pushes",
        sa.Column("webhook_id", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("about", sa.String(80), nullable=False),
        sa.Column("push_id", sa.String(64), nullable=False),
        sa.Column("context", sa.String(200), nullable=True),
        sa.Column("wire", sa.String(4), nullable=False),
        sa.Column("scheme", sa.String(40), nullable=True),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("told", sa.String(40), nullable=True),
        sa.Column("tells", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ask_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("webhook_id"),
        schema="payment",
    )
    op.create_index(
        "pushes_about_idx",
        "pushes",
        ["account", "about", "push_id"],
        schema="payment",
        unique=True,
    )
    op.create_index(
        "pushes_due_idx",
        "pushes",
        ["ask_at"],
        schema="payment",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("pushes_created_idx", "pushes", ["created_at"], schema="payment")
    op.create_index("approvals_created_idx", "approvals", ["created_at"], schema="payment")
