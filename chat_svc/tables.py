"""Tables of the schema `chat`. Amounts are BazaarBucks, NUMERIC(20,6)."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    and_,
    func,
)

from chassis.db.schema import service_metadata

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
    # Who answered, and what the language model used for it.
    Column("orchestrator", String(20)),
    Column("llm", JSON(none_as_null=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("role IN ('user', 'assistant')", name="known_role"),
)
Index("messages_page_idx", messages.c.account, messages.c.seq)
Index("messages_task_idx", messages.c.account, messages.c.task_id, messages.c.seq)
Index("messages_answer_idx", messages.c.turn_id, postgresql_where=messages.c.role == "assistant")

turns = Table(
    "turns",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("status", String(10), nullable=False),
    Column("content", Text, nullable=False),
    Column("max_budget", Numeric(20, 6), nullable=False),
    Column("task_id", String(64), nullable=False),
    # Of the release before, which planned once; nothing writes it any more.
    Column("progress", JSON(none_as_null=True)),
    # How many moves are stored: the number of the next one.
    Column("round", Integer, nullable=False, server_default="0"),
    Column("orchestrator", String(20)),
    # Whether the task was ordered to be made, by this turn or an earlier one.
    Column("task_begun", Boolean, nullable=False, server_default="false"),
    # What it waits for when the orchestrator asked to be asked later, as a sentence.
    Column("trouble", Text),
    # What the assistant says, once that is known; it may have to wait for the bill.
    Column("answer", Text),
    # Whether a limit or a trouble ended the turn, so that the answer also shows what was done.
    Column("stopped", Boolean, nullable=False, server_default="false"),
    # When the person cancelled it.
    Column("cancelled_at", DateTime(timezone=True)),
    # What a follow-up ("now translate it") refers to.
    Column("result", Text),
    # Characters of its moves and results, so that a later turn takes in no more than it can use.
    Column("weight", Integer, nullable=False, server_default="0"),
    # The envelope of the message, so that everything later keeps its trace.
    Column("cause", JSON, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("deadline_at", DateTime(timezone=True), nullable=False),
    # When what it waits for is asked after next; None when it never was.
    Column("ask_at", DateTime(timezone=True)),
    # Whether its moves, calls and cause are gone: it was long ago.
    Column("aged", Boolean, nullable=False, server_default="false"),
    # When it was forgotten, while the event stream may still have its words.
    Column("forgotten_at", DateTime(timezone=True)),
    CheckConstraint("status IN ('thinking', 'acting', 'settling', 'done')", name="known_status"),
)
# One turn at a time works on a task.
Index(
    "turns_open_task_key", turns.c.task_id, unique=True, postgresql_where=turns.c.status != "done"
)
Index("turns_task_idx", turns.c.account, turns.c.task_id, turns.c.created_at.desc())
# A turn whose words were forgotten is no history.
Index(
    "turns_history_idx",
    turns.c.account,
    turns.c.created_at.desc(),
    postgresql_where=turns.c.content != "",
)
Index(
    "turns_aging_idx",
    turns.c.created_at,
    postgresql_where=and_(~turns.c.aged, turns.c.status == "done"),
)
Index(
    "turns_forgotten_idx",
    turns.c.forgotten_at,
    postgresql_where=turns.c.forgotten_at.is_not(None),
)
Index("turns_open_idx", turns.c.deadline_at, postgresql_where=turns.c.status != "done")
Index(
    "turns_result_idx",
    turns.c.account,
    turns.c.created_at.desc(),
    postgresql_where=turns.c.result.is_not(None),
)

rounds = Table(
    "rounds",
    metadata,
    Column("turn_id", String(64), nullable=False),
    Column("round", Integer, nullable=False),
    Column("text", Text, nullable=False),
    # The move in the orchestrator's own form.
    Column("raw", JSON(none_as_null=True)),
    # What the language model used; None when there was none.
    Column("model", String(100)),
    Column("input_tokens", Integer, nullable=False, server_default="0"),
    Column("output_tokens", Integer, nullable=False, server_default="0"),
    Column("cached_tokens", Integer, nullable=False, server_default="0"),
    Column("written_tokens", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("turn_id", "round"),
)

calls = Table(
    "calls",
    metadata,
    Column("turn_id", String(64), nullable=False),
    Column("id", String(64), nullable=False),
    Column("round", Integer, nullable=False),
    # Its place among the calls of the round.
    Column("place", Integer, nullable=False),
    Column("tool", String(100), nullable=False),
    Column("input", JSON, nullable=False),
    # For an agent's work, who can do it and who has it now: `domain.Work`.
    Column("work", JSON(none_as_null=True)),
    # What came of it; None while it is open.
    Column("content", Text),
    Column("error", Boolean, nullable=False, server_default="false"),
    PrimaryKeyConstraint("turn_id", "id"),
)
