"""Tokens written into the model's cache, a turn's answer by its id, and what is to be forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Only additions: a replica of the release before works on."""
    written = sa.Column("written_tokens", sa.Integer(), server_default="0", nullable=False)
    op.add_column("rounds", written, schema="chat")
    op.create_index(
        "messages_answer_idx",
        "messages",
        ["turn_id"],
        schema="chat",
        postgresql_where=sa.text("role = 'assistant'"),
    )
    forgotten = sa.Column("forgotten_at", sa.DateTime(timezone=True))
    op.add_column("turns", forgotten, schema="chat")
    op.create_index(
        "turns_forgotten_idx",
        "turns",
        ["forgotten_at"],
        schema="chat",
        postgresql_where=sa.text("forgotten_at IS NOT NULL"),
    )
