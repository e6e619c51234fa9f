"""Tables of the schema `task`. Amounts are BazaarBucks, NUMERIC(20,6)."""

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
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    and_,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chassis.db.grants import APPEND_ONLY
from chassis.db.schema import service_metadata

metadata = service_metadata("task")

MONEY = Numeric(20, 6)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("user_query", Text, nullable=False),
    Column("required_skills", ARRAY(Text), nullable=False),
    Column("done_skills", ARRAY(Text), nullable=False, server_default="{}"),
    Column("status", String(12), nullable=False),
    Column("max_budget", MONEY, nullable=False),
    Column("total_cost", MONEY, nullable=False, server_default="0"),
    Column("open_steps", Integer, nullable=False, server_default="0"),
    # Whose steps it runs now, and the turns before that.
    Column("turn_id", String(64)),
    Column("former_turns", ARRAY(Text), nullable=False, server_default="{}"),
    # When a person cancelled it; none again once a later turn takes it up.
    Column("cancelled_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("completed_at", DateTime(timezone=True)),
    # When its orchestrator is asked next whether it is to end; None when it never was.
    Column("ask_at", DateTime(timezone=True)),
    # The credential with limits that it was made with.
    Column("spender", String(64)),
    CheckConstraint(
        "status IN ('created', 'in_progress', 'completed', 'failed')", name="known_status"
    ),
    CheckConstraint("open_steps >= 0", name="open_steps_not_negative"),
    CheckConstraint("total_cost <= max_budget", name="within_budget"),
)
Index("tasks_page_idx", tasks.c.account, tasks.c.created_at.desc(), tasks.c.id.desc())
# Those that wait for the word of an orchestrator.
Index(
    "tasks_orchestrated_idx",
    tasks.c.created_at,
    postgresql_where=and_(
        tasks.c.status.in_(("created", "in_progress")), tasks.c.turn_id.is_not(None)
    ),
)

steps = Table(
    "steps",
    metadata,
    Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("id", String(64), primary_key=True),
    Column("task_id", String(64), nullable=False),
    Column("account", String(64), nullable=False),
    Column("turn_id", String(64)),
    Column("agent_id", String(64), nullable=False),
    Column("skill", String(100), nullable=False),
    Column("subtask_type", String(100), nullable=False),
    Column("status", String(12), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("depends_on", ARRAY(Text), nullable=False, server_default="{}"),
    Column("waits_for", Integer, nullable=False, server_default="0"),
    Column("max_price", MONEY),
    Column("max_budget", MONEY, nullable=False),
    # The failed step whose place it takes, and the agreement that is its price.
    Column("replaces", String(64)),
    Column("negotiation_id", String(64)),
    # Where the answer is waited for, while somebody waits.
    Column("reply_to", String(200)),
    # What the registry said when the step began; None before that.
    Column("quote", JSON),
    # The envelope that the step was ordered with, so that a resumed step keeps its trace.
    Column("cause", JSON, nullable=False),
    Column("cost", MONEY, nullable=False, server_default="0"),
    Column("external_cost", MONEY, nullable=False, server_default="0"),
    Column("requires_external_tool", Boolean, nullable=False, server_default="false"),
    # What the agent asked for in all, and whom it bought from.
    Column("billed", MONEY),
    Column("vendor", Text),
    Column("result", Text),
    Column("execution_time", Integer),
    Column("reason", String(30)),
    Column("error", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Of these, how many nobody expected: errors, and replicas that were lost with it.
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("lease_owner", String(64)),
    Column("lease_until", DateTime(timezone=True)),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("completed_at", DateTime(timezone=True)),
    # Whether its payload and its cause are gone: it ended long ago.
    Column("aged", Boolean, nullable=False, server_default="false"),
    # What it was promised to cost, its purchases included.
    Column("quoted", MONEY),
    # Where its agent said to ask for the outcome; None while there is no such place.
    Column("operation", JSON),
    CheckConstraint(
        "status IN ('pending', 'in_progress', 'completed', 'failed')", name="known_step_status"
    ),
)
# Turns whose end came before the order to begin; gone when their task has ended.
cancelled_turns = Table(
    "cancelled_turns",
    metadata,
    Column("turn_id", String(64), primary_key=True),
)
# What quotes are sealed with: one row, made by the first replica that starts.
quote_secrets = Table(
    "quote_secrets",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="one_secret"),
    info=dict(APPEND_ONLY),
)
# What owners gave to be sent with calls of their agents, encrypted, and the origin that it is for.
agent_credentials = Table(
    "agent_credentials",
    metadata,
    Column("agent_id", String(64), primary_key=True),
    Column("origin", Text, nullable=False),
    Column("header", String(100), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
negotiations = Table(
    "negotiations",
    metadata,
    Column("account", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("task_id", String(64), nullable=False),
    Column("agent_id", String(64), nullable=False),
    Column("turn_id", String(64)),
    Column("max_price", MONEY, nullable=False),
    # What the registry said when it began; each offer follows from this and the rounds before it.
    Column("quote", JSON, nullable=False),
    Column("offers", JSONB, nullable=False, server_default="[]"),
    Column("status", String(12), nullable=False, server_default="open"),
    Column("price", MONEY),
    Column("message", Text, nullable=False, server_default=""),
    # The step whose price it is; an agreement is good for one.
    Column("step_id", String(64)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("status IN ('open', 'agreed', 'not_agreed')", name="known_standing"),
    CheckConstraint("(status = 'agreed') = (price IS NOT NULL)", name="agreed_with_price"),
    CheckConstraint("price <= max_price", name="within_max_price"),
)
Index("steps_page_idx", steps.c.task_id, steps.c.seq)
Index(
    "steps_open_idx",
    steps.c.next_attempt_at,
    postgresql_where=and_(steps.c.status.in_(("pending", "in_progress")), steps.c.waits_for == 0),
)
Index(
    "steps_aging_idx",
    steps.c.completed_at,
    postgresql_where=and_(~steps.c.aged, steps.c.completed_at.is_not(None)),
)
