"""The journal of holds, and checkpoints of the check. Only additions; nobody may rewrite them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

MONEY = sa.Numeric(20, 6)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables, fill the journal with what is known of old holds, and let it write itself."""
    op.create_table(
        "hold_lines",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("hold_id", sa.String(64), nullable=False),
        sa.Column("task_id", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount <> 0", name="no_empty_hold_lines"),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    op.create_index("hold_lines_task_idx", "hold_lines", ["task_id", "id"], schema="payment")
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("entries_to", sa.BigInteger(), nullable=False),
        sa.Column("hold_lines_to", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    op.create_table(
        "checkpoint_sums",
        sa.Column("ledger_account", sa.String(80), nullable=False),
        sa.Column("checkpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("posted", sa.Numeric(26, 6), nullable=False),
        sa.PrimaryKeyConstraint("ledger_account", "checkpoint_id"),
        schema="payment",
    )
    for table in ("entries", "bazaarbucks_payments", "stripe_payments"):
        op.create_index(f"{table}_step_idx", table, ["step_id"], schema="payment")
    op.execute(
        """
        INSERT INTO payment.hold_lines (hold_id, task_id, account, kind, amount, created_at)
        SELECT h.id, h.task_id, h.account, l.kind, l.amount, l.moment
        FROM payment.holds h CROSS JOIN LATERAL (VALUES
          (1, 'placed', h.asked, h.created_at),
          (2, 'extended', h.held - h.asked, h.created_at),
          (3, 'captured', -(h.captured + h.external), coalesce(h.resolved_at, h.created_at)),
          (4, 'released', CASE WHEN h.status = 'held' THEN 0
                               ELSE h.captured + h.external - h.held END,
              coalesce(h.resolved_at, h.created_at))
        ) AS l (place, kind, amount, moment)
        WHERE l.amount <> 0
        ORDER BY l.moment, h.id, l.place
        """
    )
    op.execute(
        """
        CREATE FUNCTION payment.write_hold_lines() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
          before numeric := 0;
          ended boolean := false;
        BEGIN
          IF TG_OP = 'UPDATE' THEN
            before := OLD.held;
            ended := OLD.status = 'held' AND NEW.status <> 'held';
          END IF;
          INSERT INTO payment.hold_lines (hold_id, task_id, account, kind, amount)
          SELECT NEW.id, NEW.task_id, NEW.account, l.kind, l.amount FROM (VALUES
            (CASE TG_OP WHEN 'INSERT' THEN 'placed' ELSE 'extended' END, NEW.held - before),
            ('captured', CASE WHEN ended THEN -(NEW.captured + NEW.external) ELSE 0 END),
            ('released', CASE WHEN ended THEN NEW.captured + NEW.external - NEW.held ELSE 0 END)
          ) AS l (kind, amount)
          WHERE l.amount <> 0;
          RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER holds_placed AFTER INSERT ON payment.holds FOR EACH ROW
        WHEN (NEW.held <> 0) EXECUTE FUNCTION payment.write_hold_lines()
        """
    )
    op.execute(
        """
        CREATE TRIGGER holds_moved AFTER UPDATE ON payment.holds FOR EACH ROW
        WHEN (OLD.held <> NEW.held OR OLD.status <> NEW.status)
        EXECUTE FUNCTION payment.write_hold_lines()
        """
    )
    op.execute(
        "REVOKE UPDATE, DELETE, TRUNCATE"
        " ON payment.hold_lines, payment.checkpoints, payment.checkpoint_sums FROM CURRENT_USER"
    )
