"""Tables of the schema `chat`. Amounts are BazaarBucks, NUMERIC(20,6)."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Numeric,
    String,
    Table,
    Text,
    func,
)

from chassis.database import service_metadata

metadata = service_metadata("chat")

messages = Table(
    "messages",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("account", String(64), nullable=False),
    Column("turn_id", String(64), nullable=False),
    Column("role", String(10), nullable=False),
    Column("content", Text, nullable=False),
    Column("task_id", String(64)),
    Column("cost_breakdown", JSON(none_as_null=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("role IN ('user', 'assistant')", name="known_role"),
)
Index("messages_page_idx", messages.c.account, messages.c.seq)
Index("messages_task_idx", messages.c.account, messages.c.task_id, messages.c.seq)

turns = Table(
    "turns",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("status", String(10), nullable=False),
    Column("content", Text, nullable=False),
    Column("max_budget", Numeric(20, 6), nullable=False),
    Column("task_id", String(64), nullable=False),
    # What the orchestrator decided and what came of it: `domain.Progress`.
    Column("progress", JSON(none_as_null=True)),
    # What a follow-up ("now translate it") refers to.
    Column("result", Text),
    # The envelope of the message, so that everything later keeps its trace.
    Column("cause", JSON, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("deadline_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("status IN ('thinking', 'acting', 'settling', 'done')", name="known_status"),
)
# One turn at a time works on a task.
Index(
    "turns_open_task_key", turns.c.task_id, unique=True, postgresql_where=turns.c.status != "done"
)
Index("turns_task_idx", turns.c.account, turns.c.task_id, turns.c.created_at.desc())
Index("turns_open_idx", turns.c.deadline_at, postgresql_where=turns.c.status != "done")
Index(
    "turns_result_idx",
    turns.c.account,
    turns.c.created_at.desc(),
    postgresql_where=turns.c.result.is_not(None),
)
