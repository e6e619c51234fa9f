"""What a step was promised to cost, and credentials with limits. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add columns and a table; for the holds that are there, nothing was promised."""
    for column in (
        sa.Column("quoted", sa.Numeric(20, 6), nullable=True),
        sa.Column("tolerance", sa.Numeric(4, 2), server_default="1", nullable=False),
        sa.Column("spender", sa.String(64), nullable=True),
    ):
        op.add_column("holds", column, schema="payment")
    op.create_check_constraint(
        "paid_within_quote", "holds", "captured + external <= quoted * tolerance", schema="payment"
    )
    op.create_index(
        "holds_spender_idx",
        "holds",
        ["spender", "created_at"],
        schema="payment",
        postgresql_where=sa.text("spender IS NOT NULL"),
    )
    money = sa.Numeric(20, 6)
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "spenders",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("most", money, nullable=True),
        sa.Column("per_task", money, nullable=True),
        sa.Column("per_day", money, nullable=True),
        sa.Column("agents", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("note", sa.String(200), server_default="", nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", moment, nullable=True),
        sa.Column("closed_at", moment, nullable=True),
        sa.Column("held", money, server_default="0", nullable=False),
        sa.Column("captured", money, server_default="0", nullable=False),
        sa.CheckConstraint("kind IN ('session', 'key')", name="known_kind"),
        sa.CheckConstraint("held >= 0 AND captured >= 0", name="spent_not_negative"),
        sa.CheckConstraint("held + captured <= most", name="within_limit"),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    newest = [sa.text("created_at DESC"), sa.text("id DESC")]
    op.create_index("spenders_page_idx", "spenders", ["kind", *newest], schema="payment")
    op.create_index(
        "spenders_account_idx", "spenders", ["account", "kind", *newest], schema="payment"
    )
