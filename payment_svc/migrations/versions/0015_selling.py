"""Who owns agents, what they earned, and payouts. Release 0.2 goes on beside it, and earns too."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

MONEY = sa.Numeric(20, 6)
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def _money(name: str) -> sa.Column:
    return sa.Column(name, MONEY, server_default="0", nullable=False)


def upgrade() -> None:
    """Add the tables, and have payments write what was earned by whichever release pays."""
    _tables()
    _hooks()
    waits = "settled_at IS NULL AND owner IS NOT NULL AND amount > 0"
    for name, table, columns, where in (
        ("earnings_day_idx", "earnings", ["owner", "day", "agent_id"], "owner IS NOT NULL"),
        ("earnings_due_idx", "earnings", ["earned_at"], waits),
        ("earnings_waiting_idx", "earnings", ["owner"], waits),
        ("earnings_unknown_idx", "earnings", ["agent_id"], "owner IS NULL"),
        ("earnings_transfer_idx", "earnings", ["transfer_id"], "transfer_id IS NOT NULL"),
        ("sellers_next_idx", "sellers", ["next_payout_at"], None),
        (
            "payouts_page_idx",
            "payouts",
            ["owner", sa.text("created_at DESC"), sa.text("id DESC")],
            None,
        ),
        ("webhooks_account_idx", "webhooks", ["account", "created_at"], None),
        (
            "webhook_deliveries_page_idx",
            "webhook_deliveries",
            ["webhook_id", sa.text("created_at DESC"), sa.text("id DESC")],
            None,
        ),
        (
            "webhook_deliveries_due_idx",
            "webhook_deliveries",
            ["next_attempt_at"],
            "status = 'pending'",
        ),
        ("webhook_deliveries_created_idx", "webhook_deliveries", ["created_at"], None),
        ("payouts_due_idx", "payouts", ["next_attempt_at"], "status = 'pending'"),
        (
            "entries_earned_idx",
            "entries",
            ["ledger_account", "id"],
            "ledger_account LIKE 'agent:%' OR ledger_account LIKE 'seller:%'",
        ),
    ):
        how = {} if where is None else {"postgresql_where": sa.text(where)}
        op.create_index(name, table, columns, schema="payment", **how)
    page = [sa.text("created_at DESC"), sa.text("id DESC")]
    for name, columns in (("payer", ["payer"]), ("seller", ["seller"]), ("page", [])):
        op.create_index(f"disputes_{name}_idx", "disputes", [*columns, *page], schema="payment")
    op.create_index("disputes_step_idx", "disputes", ["step_id"], schema="payment", unique=True)
    op.create_index(
        "payouts_asked_idx",
        "payouts",
        ["owner", "asked_id"],
        schema="payment",
        unique=True,
        postgresql_where=sa.text("asked_id IS NOT NULL"),
    )
    op.create_index(
        "webhook_deliveries_event_idx",
        "webhook_deliveries",
        ["webhook_id", "event_id"],
        schema="payment",
        unique=True,
    )
    op.execute(
        """
        CREATE FUNCTION payment.write_earnings() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.type = 'agent_payment' THEN
            INSERT INTO payment.earnings (step_id, agent_id, owner, payer, task_id, amount, fee)
            SELECT NEW.step_id, NEW.agent_id, o.owner, NEW.account, NEW.task_id, NEW.amount, h.fee
            FROM payment.holds h
            LEFT JOIN payment.agent_owners o ON o.agent_id = NEW.agent_id
            WHERE h.id = NEW.step_id AND (o.agent_id IS NULL OR o.owner IS NOT NULL)
            ON CONFLICT DO NOTHING;
          ELSE
            UPDATE payment.earnings e
            SET refunded = h.refunded,
                returned = h.refunded
                  - div(h.fee * h.refunded * 1000000, h.captured) / 1000000
            FROM payment.holds h
            WHERE h.id = NEW.step_id AND e.step_id = NEW.step_id;
          END IF;
          RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER payments_earned AFTER INSERT ON payment.bazaarbucks_payments
        FOR EACH ROW WHEN (NEW.type IN ('agent_payment', 'refund'))
        EXECUTE FUNCTION payment.write_earnings()
        """
    )
    op.execute(
        """
        CREATE FUNCTION payment.tell_sellers() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
          paid boolean := true;
          moved numeric := NEW.amount;
        BEGIN
          IF TG_OP = 'UPDATE' THEN
            paid := OLD.owner IS DISTINCT FROM NEW.owner;
            moved := CASE WHEN paid THEN NEW.amount ELSE NEW.returned - OLD.returned END;
          END IF;
          INSERT INTO payment.webhook_deliveries (id, webhook_id, event_id, type, body)
          SELECT replace(gen_random_uuid()::text, '-', ''), w.id,
                 CASE WHEN paid THEN 'paid-' || NEW.step_id
                      ELSE 'refunded-' || NEW.step_id || '-' || NEW.returned END,
                 t.type,
                 jsonb_build_object(
                   'type', t.type,
                   'timestamp', to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                   'data', jsonb_build_object(
                     'agentId', NEW.agent_id, 'stepId', NEW.step_id, 'amount', moved::text))::text
          FROM (VALUES (CASE WHEN paid THEN 'seller.paid' ELSE 'seller.refunded' END)) AS t (type)
          JOIN payment.webhooks w ON w.account = NEW.owner AND w.disabled_at IS NULL
            AND t.type = ANY (w.events)
          ON CONFLICT DO NOTHING;
          RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER earnings_told AFTER INSERT ON payment.earnings FOR EACH ROW
        WHEN (NEW.owner IS NOT NULL AND NEW.amount > 0)
        EXECUTE FUNCTION payment.tell_sellers()
        """
    )
    op.execute(
        """
        CREATE TRIGGER earnings_changed AFTER UPDATE ON payment.earnings FOR EACH ROW
        WHEN (NEW.owner IS NOT NULL AND NEW.amount > 0
              AND (OLD.owner IS DISTINCT FROM NEW.owner OR NEW.returned > OLD.returned))
        EXECUTE FUNCTION payment.tell_sellers()
        """
    )


def _hooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("failing_since", MOMENT),
        sa.Column("disabled_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("webhook_id", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(128), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(10), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("answered", sa.Integer()),
        sa.Column("note", sa.String(500)),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("since", MOMENT, server_default=NOW, nullable=False),
        sa.Column("next_attempt_at", MOMENT, server_default=NOW),
        sa.Column("delivered_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )


def _tables() -> None:
    op.create_table(
        "agent_owners",
        sa.Column("agent_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64)),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("agent_id"),
        schema="payment",
    )
    op.create_table(
        "earnings",
        sa.Column("step_id", sa.String(64), nullable=False),
        sa.Column("agent_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64)),
        sa.Column("payer", sa.String(64), nullable=False),
        sa.Column("task_id", sa.String(64), nullable=False),
        *(_money(name) for name in ("amount", "fee", "refunded", "returned")),
        sa.Column("fault", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("frozen", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "day",
            sa.Date(),
            server_default=sa.text("((now() AT TIME ZONE 'utc')::date)"),
            nullable=False,
        ),
        sa.Column("earned_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("settled_at", MOMENT),
        _money("settled"),
        sa.Column("transfer_id", sa.String(64)),
        sa.CheckConstraint("fee >= 0 AND amount >= 0", name="earnings_not_negative"),
        sa.CheckConstraint("returned BETWEEN 0 AND amount", name="returned_within_amount"),
        sa.CheckConstraint("settled BETWEEN 0 AND amount", name="settled_within_amount"),
        sa.PrimaryKeyConstraint("step_id"),
        schema="payment",
    )
    op.create_table(
        "sellers",
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("destination", sa.String(64)),
        sa.Column("next_payout_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("account"),
        schema="payment",
    )
    op.create_table(
        "disputes",
        *(
            sa.Column(name, sa.String(64), nullable=False)
            for name in ("id", "payment_id", "step_id", "agent_id", "payer")
        ),
        sa.Column("seller", sa.String(64)),
        sa.Column("amount", MONEY),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("payer_note", sa.String(2000), nullable=False),
        sa.Column("seller_note", sa.String(2000)),
        sa.Column("decision_note", sa.String(2000)),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("decided_at", MOMENT),
        sa.CheckConstraint("status IN ('disputed', 'accepted', 'refused')", name="dispute_status"),
        sa.CheckConstraint("(status = 'disputed') = (decided_at IS NULL)", name="dispute_decided"),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    op.create_table(
        "payouts",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("asked_id", sa.String(64)),
        sa.Column("asked", MONEY),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("rail", sa.String(10), nullable=False),
        sa.Column("destination", sa.String(64)),
        sa.Column("transfer", sa.String(255)),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_attempt_at", MOMENT),
        sa.Column("next_attempt_at", MOMENT),
        sa.Column("note", sa.String(500)),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.CheckConstraint("amount > 0", name="payout_positive"),
        sa.CheckConstraint("status IN ('pending', 'paid', 'failed')", name="payout_status"),
        sa.CheckConstraint("(status = 'pending') = (ended_at IS NULL)", name="payout_ended"),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
