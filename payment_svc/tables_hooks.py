"""Tables of webhooks: where accounts are told what concerns them, and what they were told."""

from sqlalchemy import CheckConstraint, Column, DateTime, Index, Integer, String, Table, Text, func
from sqlalchemy.dialects.postgresql import ARRAY

from payment_svc.schema import created_at, metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    # What messages are signed with, encrypted with WEBHOOK_KEY.
    Column("secret", Text, nullable=False),
    created_at(),
    Column("failing_since", DateTime(timezone=True)),
    Column("disabled_at", DateTime(timezone=True)),
    # An account's own, or that of a push; what is `secret` of one is the headers that its receiver
    # is shown, encrypted.
    Column("kind", String(10), nullable=False, server_default="account"),
    CheckConstraint("kind IN ('account', 'push')", name="known_kind"),
)
Index("webhooks_account_idx", webhooks.c.account, webhooks.c.created_at)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("webhook_id", String(64), nullable=False),
    # The same for every try.
    Column("event_id", String(128), nullable=False),
    Column("type", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("status", String(10), nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("answered", Integer),
    Column("note", String(500)),
    created_at(),
    # Since when this round of tries goes on: a replay begins another.
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("next_attempt_at", DateTime(timezone=True), server_default=func.now()),
    Column("delivered_at", DateTime(timezone=True)),
)
Index(
    "webhook_deliveries_event_idx",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.event_id,
    unique=True,
)
Index(
    "webhook_deliveries_page_idx",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.created_at.desc(),
    webhook_deliveries.c.id.desc(),
)
Index(
    "webhook_deliveries_due_idx",
    webhook_deliveries.c.next_attempt_at,
    postgresql_where=webhook_deliveries.c.status == "pending",
)
Index("webhook_deliveries_created_idx", webhook_deliveries.c.created_at)

# Who is told by A2A how one task or turn goes on; where, and how well that works, is its webhook's.
pushes = Table(
    "pushes",
    metadata,
    Column("webhook_id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    # A task, or `turn_` and a turn.
    Column("about", String(80), nullable=False),
    Column("push_id", String(64), nullable=False),
    Column("context", String(200)),
    Column("wire", String(4), nullable=False),
    Column("scheme", String(40)),
    created_at(),
    # The state that was told last, and how many were.
    Column("told", String(40)),
    Column("tells", Integer, nullable=False, server_default="0"),
    # When it is asked how the task stands.
    Column("ask_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True)),
)
Index("pushes_about_idx", pushes.c.account, pushes.c.about, pushes.c.push_id, unique=True)
Index("pushes_due_idx", pushes.c.ask_at, postgresql_where=pushes.c.ended_at.is_(None))
Index("pushes_created_idx", pushes.c.created_at)
