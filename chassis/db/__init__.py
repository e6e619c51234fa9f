"""PostgreSQL: connections, transactions, statements, and the tables that every service has."""

from chassis.lean import without

with without("alembic"):  # for a check of the table, which the migrations are
    import faststream_outbox  # noqa: F401
