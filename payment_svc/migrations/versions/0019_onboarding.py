"""Sellers are onboarded at Stripe. Only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add what Stripe says of a seller; it is asked soon about accounts that are named already."""
    for column in (
        sa.Column("payable", sa.Boolean()),
        sa.Column("needs", sa.ARRAY(sa.Text())),
        sa.Column("look_at", sa.DateTime(timezone=True)),
    ):
        op.add_column("sellers", column, schema="payment")
    op.execute("UPDATE payment.sellers SET look_at = now() WHERE destination IS NOT NULL")
    for name in ("look_at", "destination"):
        op.create_index(
            f"sellers_{name.removesuffix('_at')}_idx",
            "sellers",
            [name],
            schema="payment",
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
