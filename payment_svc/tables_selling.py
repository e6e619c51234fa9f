"""Tables of the seller's side: who owns agents, what they earned, how that is paid out."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    String,
    Table,
    Text,
    and_,
    false,
    text,
)

from chassis.db.grants import NEVER_DELETED
from payment_svc.schema import MONEY, created_at, metadata, tried

agent_owners = Table(
    "agent_owners",
    metadata,
    Column("agent_id", String(64), primary_key=True),
    # NULL: it is listed, and the operator's own.
    Column("owner", String(64)),
    # When the registry said so; what was said before changes nothing.
    Column("told_at", DateTime(timezone=True), nullable=False),
    # Since when it has this owner, as far as was told.
    Column("since", DateTime(timezone=True), nullable=False),
    info=dict(NEVER_DELETED),
)

earnings = Table(
    "earnings",
    metadata,
    Column("step_id", String(64), primary_key=True),
    Column("agent_id", String(64), nullable=False),
    # Whose agent it was when it was paid; NULL while nobody has said who listed it.
    Column("owner", String(64)),
    Column("payer", String(64), nullable=False),
    Column("task_id", String(64), nullable=False),
    # What the agent got of the payment, without the platform's fee.
    Column("amount", MONEY, nullable=False, server_default="0"),
    Column("fee", MONEY, nullable=False, server_default="0"),
    # What payers got back, and what of that was the agent's.
    Column("refunded", MONEY, nullable=False, server_default="0"),
    Column("returned", MONEY, nullable=False, server_default="0"),
    # Whether the step came to nothing by the agent's fault.
    Column("fault", Boolean, nullable=False, server_default=false()),
    # Whether a dispute keeps it from being settled.
    Column("frozen", Boolean, nullable=False, server_default=false()),
    Column(
        "day",
        Date,
        nullable=False,
        server_default=text("((now() AT TIME ZONE 'utc')::date)"),
    ),
    Column("earned_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    # When it became the seller's to be paid out, how much of it, and by which transfer.
    Column("settled_at", DateTime(timezone=True)),
    Column("settled", MONEY, nullable=False, server_default="0"),
    Column("transfer_id", String(64)),
    CheckConstraint("fee >= 0 AND amount >= 0", name="earnings_not_negative"),
    CheckConstraint("returned BETWEEN 0 AND amount", name="returned_within_amount"),
    CheckConstraint("settled BETWEEN 0 AND amount", name="settled_within_amount"),
    info=dict(NEVER_DELETED),
)
"""What was paid for each step of an agent that is somebody's, written by a trigger of payments."""
Index(
    "earnings_day_idx",
    earnings.c.owner,
    earnings.c.day,
    earnings.c.agent_id,
    postgresql_where=earnings.c.owner.is_not(None),
)
_WAITS = and_(earnings.c.settled_at.is_(None), earnings.c.owner.is_not(None), earnings.c.amount > 0)
Index("earnings_due_idx", earnings.c.earned_at, postgresql_where=_WAITS)
Index("earnings_waiting_idx", earnings.c.owner, postgresql_where=_WAITS)
Index("earnings_unknown_idx", earnings.c.agent_id, postgresql_where=earnings.c.owner.is_(None))
Index(
    "earnings_transfer_idx",
    earnings.c.transfer_id,
    postgresql_where=earnings.c.transfer_id.is_not(None),
)

sellers = Table(
    "sellers",
    metadata,
    Column("account", String(64), primary_key=True),
    # The connected account at Stripe.
    Column("destination", String(64)),
    # Whether Stripe pays it, NULL until it was asked; what it still wants to know, in its words.
    Column("payable", Boolean),
    Column("needs", ARRAY(Text)),
    # When Stripe is asked next; NULL without an account there.
    Column("look_at", DateTime(timezone=True)),
    # When it is paid next without having asked.
    Column("next_payout_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    created_at(),
    info=dict(NEVER_DELETED),
)
Index("sellers_next_idx", sellers.c.next_payout_at)
Index("sellers_look_idx", sellers.c.look_at, postgresql_where=sellers.c.look_at.is_not(None))
Index(
    "sellers_destination_idx",
    sellers.c.destination,
    postgresql_where=sellers.c.destination.is_not(None),
)

payouts = Table(
    "payouts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    # What its owner called it.
    Column("asked_id", String(64)),
    # What its owner asked for; NULL for all that there was.
    Column("asked", MONEY),
    Column("amount", MONEY, nullable=False),
    Column("status", String(10), nullable=False),
    Column("rail", String(10), nullable=False),
    Column("destination", String(64)),
    Column("transfer", String(255)),
    *tried(),
    created_at(),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint("amount > 0", name="payout_positive"),
    CheckConstraint("status IN ('pending', 'paid', 'failed')", name="payout_status"),
    CheckConstraint("(status = 'pending') = (ended_at IS NULL)", name="payout_ended"),
    info=dict(NEVER_DELETED),
)
Index("payouts_page_idx", payouts.c.owner, payouts.c.created_at.desc(), payouts.c.id.desc())
Index(
    "payouts_asked_idx",
    payouts.c.owner,
    payouts.c.asked_id,
    unique=True,
    postgresql_where=payouts.c.asked_id.is_not(None),
)
Index(
    "payouts_due_idx",
    payouts.c.next_attempt_at,
    postgresql_where=payouts.c.status == "pending",
)

disputes = Table(
    "disputes",
    metadata,
    Column("id", String(64), primary_key=True),
    # What the payer calls the payment, and the step that it was for, which is disputed once.
    Column("payment_id", String(64), nullable=False),
    Column("step_id", String(64), nullable=False),
    Column("agent_id", String(64), nullable=False),
    Column("payer", String(64), nullable=False),
    Column("seller", String(64)),
    Column("amount", MONEY),
    Column("status", String(10), nullable=False),
    Column("payer_note", String(2000), nullable=False),
    Column("seller_note", String(2000)),
    Column("decision_note", String(2000)),
    created_at(),
    Column("decided_at", DateTime(timezone=True)),
    CheckConstraint("status IN ('disputed', 'accepted', 'refused')", name="dispute_status"),
    CheckConstraint("(status = 'disputed') = (decided_at IS NULL)", name="dispute_decided"),
    info=dict(NEVER_DELETED),
)
Index("disputes_step_idx", disputes.c.step_id, unique=True)
Index("disputes_payer_idx", disputes.c.payer, disputes.c.created_at.desc(), disputes.c.id.desc())
Index("disputes_seller_idx", disputes.c.seller, disputes.c.created_at.desc(), disputes.c.id.desc())
Index("disputes_page_idx", disputes.c.created_at.desc(), disputes.c.id.desc())
