"""The tables that every service has in its schema: outbox, inbox and waiting room."""

from faststream_outbox import make_outbox_table
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    func,
)


def service_metadata(schema: str) -> MetaData:
    """Metadata of a service's schema, with outbox, inbox and waiting room, which all services have.

    The outbox table carries the schema's name, because its NOTIFY channel is derived from the
    table's name alone and all services share one database.
    """
    metadata = MetaData(schema=schema)
    make_outbox_table(metadata, f"{schema}_outbox")
    inbox = Table(
        "inbox",
        metadata,
        Column("consumer", String(64), nullable=False),
        Column("message_id", String(128), nullable=False),
        Column("handled_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        PrimaryKeyConstraint("consumer", "message_id"),
    )
    Index("inbox_handled_at_idx", inbox.c.handled_at)
    waiting = Table(
        "waiting",
        metadata,
        Column("consumer", String(64), nullable=False),
        Column("message_id", String(128), nullable=False),
        Column("subject", Text, nullable=False),
        # What the stream says of it: its place there, and when it came.
        Column("reply", Text, nullable=False),
        Column("headers", JSON, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("tries", Integer, nullable=False),
        # Counted when it is taken, and taken back when it was put off for others' sake: what ends
        # its process is a failure too.
        Column("failures", Integer, nullable=False),
        Column("since", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("due_at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("consumer", "message_id"),
    )
    Index("waiting_due_idx", waiting.c.consumer, waiting.c.due_at)
    return metadata


def outbox_table(metadata: MetaData) -> Table:
    """The outbox table of a service's metadata."""
    return metadata.tables[f"{metadata.schema}.{metadata.schema}_outbox"]


def waiting_table(metadata: MetaData) -> Table:
    """The waiting room of a service's metadata."""
    return metadata.tables[f"{metadata.schema}.waiting"]
