"""Where a top-up is paid, so that a repeated request is answered the same. Only an addition."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the page's address; of top-ups that are there it is not known."""
    op.add_column(
        "stripe_payments", sa.Column("page_url", sa.Text(), nullable=True), schema="payment"
    )
