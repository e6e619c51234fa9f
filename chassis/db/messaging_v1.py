"""For migrations: the outbox and inbox tables in the shape of the first release.

Never changed after that release: a later shape is a later migration in every service.
"""

import sqlalchemy as sa
from alembic import op
from faststream_outbox.autovacuum import outbox_autovacuum_ddl
from sqlalchemy.dialects.postgresql import JSONB


def create_messaging_tables(schema: str) -> None:
    """Create `<schema>_outbox` and `inbox` in a service's schema."""
    outbox = f"{schema}_outbox"
    op.create_table(
        outbox,
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("queue", sa.String(255), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("headers", JSONB()),
        sa.Column("attempts_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("deliveries_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", _moment(), server_default=sa.text("now()"), nullable=False),
        sa.Column("next_attempt_at", _moment(), server_default=sa.text("now()"), nullable=False),
        sa.Column("first_attempt_at", _moment()),
        sa.Column("last_attempt_at", _moment()),
        sa.Column("acquired_at", _moment()),
        sa.Column("acquired_token", sa.Uuid()),
        sa.Column("timer_id", sa.String(255)),
        sa.CheckConstraint(
            "(acquired_token IS NULL) = (acquired_at IS NULL)", name=f"{outbox}_lease_ck"
        ),
        sa.PrimaryKeyConstraint("id"),
        schema=schema,
    )
    by_turn = ["queue", "next_attempt_at", "id"]
    for name, columns, where in (
        ("pending_idx", by_turn, "acquired_token IS NULL"),
        ("leased_idx", by_turn, "acquired_token IS NOT NULL"),
        ("timer_id_uq", ["queue", "timer_id"], "timer_id IS NOT NULL"),
    ):
        op.create_index(
            f"{outbox}_{name}",
            outbox,
            columns,
            unique=name.endswith("_uq"),
            schema=schema,
            postgresql_where=sa.text(where),
        )
    op.execute(outbox_autovacuum_ddl(outbox, schema=schema))
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String(64), nullable=False),
        sa.Column("message_id", sa.String(128), nullable=False),
        sa.Column("handled_at", _moment(), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "message_id"),
        schema=schema,
    )
    op.create_index("inbox_handled_at_idx", "inbox", ["handled_at"], schema=schema)


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)
