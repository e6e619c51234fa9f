"""Listings belong to somebody, follow their agent's word, and are found by words and price."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add columns, indexes and the table of words; the service fills that in by itself."""
    for column in (
        sa.Column("barred", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("name_keys", sa.ARRAY(sa.Text())),
        sa.Column("made_with", sa.String(64)),
        sa.Column("overrides", sa.ARRAY(sa.Text())),
        sa.Column("source_url", sa.Text()),
        sa.Column(
            "next_read_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("stars", sa.Numeric(3, 2), server_default="4.50", nullable=False),
    ):
        op.add_column("agents", column, schema="registry")
    on_sale = {"postgresql_where": sa.text("state = 'active'")}
    _index("agents", "next_read_at_idx", "next_read_at")
    _index("agents", "name_keys_idx", "name_keys", postgresql_using="gin")
    _index("agents", "source_url_idx", "source_url", postgresql_using="hash")
    _index("agents", "owner_idx", "owner", "seq")
    _index("agents", "on_sale_idx", "seq", **on_sale)
    _index("agents", "by_price_idx", "base_price", "seq", **on_sale)
    _index("agents", "by_stars_idx", "stars DESC", "seq", **on_sale)
    op.create_table(
        "agent_probes",
        sa.Column("agent_id", sa.String(64), primary_key=True),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        schema="registry",
    )
    _index("agent_probes", "due_idx", "due_at")
    op.execute(
        "INSERT INTO registry.agent_probes (agent_id, due_at)"
        " SELECT id, next_probe_at FROM registry.agents"
    )
    op.create_table(
        "agent_words",
        sa.Column("agent_id", sa.String(64), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("available", sa.Boolean(), nullable=False),
        sa.Column("base_price", sa.Numeric(20, 6), nullable=False),
        sa.Column("stars", sa.Numeric(3, 2), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "word"),
        schema="registry",
    )
    _index("agent_words", "by_price_idx", "word", "available", "base_price", "agent_id")
    _index("agent_words", "by_stars_idx", "word", "available", "stars DESC", "agent_id")


def _index(table: str, name: str, *columns: str, **more: object) -> None:
    found = [sa.text(one) if " " in one else one for one in columns]
    op.create_index(f"{table}_{name}", table, found, schema="registry", **more)
