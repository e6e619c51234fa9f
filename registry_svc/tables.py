"""Tables of the schema `registry`. Amounts are BazaarBucks, NUMERIC(20,6)."""

from sqlalchemy import (
    ARRAY,
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
    SmallInteger,
    String,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis.db.grants import APPEND_ONLY
from chassis.db.schema import service_metadata

metadata = service_metadata("registry")


def _moment(name: str, *, nullable: bool) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=func.now())


def _counter(name: str, type_: type[Integer] = BigInteger) -> Column[int]:
    return Column(name, type_, nullable=False, server_default="0")


agents = Table(
    "agents",
    metadata,
    Column("id", String(64), primary_key=True),
    # The order of registration, by which lists are paged.
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    # The listing.
    Column("name", String(200), nullable=False),
    Column("description", Text, nullable=False),
    Column("skills", ARRAY(Text), nullable=False),
    Column("capabilities", ARRAY(Text), nullable=False),
    Column("base_price", Numeric(20, 6), nullable=False),
    Column("endpoint_url", Text, nullable=False),
    # Whose it is; NULL for the agents of the first start, which are the operator's.
    Column("owner", String(64)),
    Column("state", String(16), nullable=False, server_default="active"),
    Column("state_reason", Text),
    # Whether an admin suspended it, so that its owner cannot resume it.
    Column("barred", Boolean, nullable=False, server_default="false"),
    # Name and id as names are compared, which nobody else may take; NULL from a release before.
    Column("name_keys", ARRAY(Text)),
    # The request that listed it, so that the same request lists it once.
    Column("made_with", String(64)),
    # What its owner said of it, which the agent's own word does not change; NULL when nothing but
    # how it is called is ever read from the agent.
    Column("overrides", ARRAY(Text)),
    # Where its own word is read, NULL for `endpoint_url`; and when next.
    Column("source_url", Text),
    _moment("next_read_at", nullable=False),
    # How it is called; `tool` names the tool of an MCP server, or the skill of an A2A agent.
    Column("protocol", String(16), nullable=False, server_default="native"),
    Column("tool", String(200)),
    # How it bills (`contracts.registry.Billing`), how long a call may take, how many at once.
    Column("billing", JSONB(none_as_null=True)),
    Column("limit_s", Integer),
    Column("at_once", Integer),
    # The URL that the environment gave last; NULL for agents that did not come from there.
    Column("seed_url", Text),
    # What the agent's /info says about calling it; `info_known` is whether it was heard.
    Column("input_schema", JSONB(none_as_null=True)),
    Column("negotiable", Boolean, nullable=False, server_default="false"),
    Column("info_known", Boolean, nullable=False, server_default="false"),
    # Probes. A new agent counts as failing until its first answer.
    Column("available", Boolean, nullable=False, server_default="false"),
    _moment("failing_since", nullable=True),
    Column("reported_load", SmallInteger),
    _moment("next_probe_at", nullable=False),
    # Sums over events: `active` is started less ended; `response_ms` is over completed jobs.
    _counter("active", Integer),
    _counter("jobs_completed"),
    _counter("response_ms"),
    _counter("faults"),
    _counter("busy"),
    # Calls without an answer since the last one that was done, and when the last of them ended.
    _counter("silent", Integer),
    Column("silent_at", DateTime(timezone=True)),
    # The rating as of some seconds ago, to be found and sorted by.
    Column("stars", Numeric(3, 2), nullable=False, server_default="4.50"),
    # What buyers think, added up (`registry_svc.rating`), and how many have paid.
    Column("opinions", Numeric(20, 6), nullable=False, server_default="0"),
    Column("opinion_weight", Numeric(20, 6), nullable=False, server_default="0"),
    _counter("unique_buyers", Integer),
    _moment("registered_at", nullable=False),
    CheckConstraint("base_price >= 0", name="base_price_not_negative"),
    CheckConstraint("state IN ('draft', 'active', 'suspended', 'retired')", name="state_is_known"),
    CheckConstraint("protocol IN ('native', 'a2a', 'mcp')", name="protocol_is_known"),
    CheckConstraint("reported_load BETWEEN 0 AND 100", name="reported_load_is_percent"),
)
Index("agents_seq_idx", agents.c.seq, unique=True)
Index("agents_next_probe_at_idx", agents.c.next_probe_at)

# When each agent is to be probed next: apart from the agents, so that a claim, of which there are
# many, touches none of their indexes. `agents.next_probe_at` is what a release before this one
# goes by.
agent_probes = Table(
    "agent_probes",
    metadata,
    Column("agent_id", String(64), primary_key=True),
    _moment("due_at", nullable=False),
)
Index("agent_probes_due_idx", agent_probes.c.due_at)

Index("agents_next_read_at_idx", agents.c.next_read_at)
Index("agents_name_keys_idx", agents.c.name_keys, postgresql_using="gin")
Index("agents_source_url_idx", agents.c.source_url, postgresql_using="hash")
Index("agents_owner_idx", agents.c.owner, agents.c.seq)
_ON_SALE = text("state = 'active'")
Index("agents_on_sale_idx", agents.c.seq, postgresql_where=_ON_SALE)
Index("agents_by_price_idx", agents.c.base_price, agents.c.seq, postgresql_where=_ON_SALE)
Index("agents_by_stars_idx", agents.c.stars.desc(), agents.c.seq, postgresql_where=_ON_SALE)

# What agents on the market are found by: roots of the words that they use of themselves, and whole
# skills behind a "=". The other columns are copies, so that the best of a crowd is read alone.
agent_words = Table(
    "agent_words",
    metadata,
    Column("agent_id", String(64), nullable=False),
    Column("word", Text, nullable=False),
    Column("available", Boolean, nullable=False),
    Column("base_price", Numeric(20, 6), nullable=False),
    Column("stars", Numeric(3, 2), nullable=False),
    PrimaryKeyConstraint("agent_id", "word"),
)
Index(
    "agent_words_by_price_idx",
    *(agent_words.c[name] for name in ("word", "available", "base_price", "agent_id")),
)
Index(
    "agent_words_by_stars_idx",
    agent_words.c.word,
    agent_words.c.available,
    agent_words.c.stars.desc(),
    agent_words.c.agent_id,
)

buyers = Table(
    "buyers",
    metadata,
    Column("agent_id", String(64), primary_key=True),
    # The payer's; empty for all calls together that cost nothing.
    Column("account", String(64), primary_key=True),
    Column("calls", Numeric(20, 2), nullable=False),
    Column("stars", Numeric(20, 2), nullable=False),
    Column("paid", BigInteger, nullable=False),
)
"""What the calls of each agent say to each of its buyers."""

task_ratings = Table(
    "task_ratings",
    metadata,
    Column("task_id", String(64), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("stars", SmallInteger, nullable=False),
    _moment("created_at", nullable=False),
    CheckConstraint("stars BETWEEN 1 AND 5", name="stars_are_one_to_five"),
    info=dict(APPEND_ONLY),
)
"""The stars that payers gave for tasks, once for each."""

closed_accounts = Table(
    "closed_accounts",
    metadata,
    Column("account", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    _moment("closed_at", nullable=False),
    info=dict(APPEND_ONLY),
)
"""Accounts that list nothing more."""
