"""For migrations: the waiting room in its first shape. Never changed after its release."""

import sqlalchemy as sa
from alembic import op


def create_waiting_room(schema: str) -> None:
    """Create `waiting` in a service's schema; releases that do not know it do without."""
    op.create_table(
        "waiting",
        sa.Column("consumer", sa.String(64), nullable=False),
        sa.Column("message_id", sa.String(128), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", _moment(), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "message_id"),
        schema=schema,
    )
    op.create_index("waiting_due_idx", "waiting", ["consumer", "due_at"], schema=schema)


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)
