"""Top-ups that Stripe takes back, and what is owed then. Release 0.2 goes on beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

MONEY = sa.Numeric(20, 6)


def upgrade() -> None:
    """Add debts to wallets, and what is known of refunds and disputes."""
    op.add_column(
        "ledger_accounts",
        sa.Column("owed", MONEY, server_default="0", nullable=False),
        schema="payment",
    )
    op.create_check_constraint(
        "owed_not_negative", "ledger_accounts", "owed >= 0", schema="payment"
    )
    op.drop_constraint("available_not_negative", "ledger_accounts", schema="payment")
    op.create_check_constraint(
        "available_not_negative",
        "ledger_accounts",
        "id = 'world' OR posted - held + owed >= 0",
        schema="payment",
    )
    # Whatever comes in or comes free pays the debt, by whichever statement and release.
    op.execute(
        """
        CREATE FUNCTION payment.pay_debt() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          NEW.owed := least(NEW.owed, greatest(0, NEW.held - NEW.posted));
          RETURN NEW;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER debt_paid BEFORE UPDATE ON payment.ledger_accounts FOR EACH ROW
        WHEN (NEW.owed > 0) EXECUTE FUNCTION payment.pay_debt()
        """
    )
    op.add_column(
        "stripe_payments",
        sa.Column("taken_back", MONEY, server_default="0", nullable=False),
        schema="payment",
    )
    op.create_check_constraint(
        "taken_back_within_amount",
        "stripe_payments",
        "taken_back BETWEEN 0 AND amount",
        schema="payment",
    )
    op.create_index(
        "stripe_intent_idx",
        "stripe_payments",
        ["intent_id"],
        schema="payment",
        postgresql_where=sa.text("intent_id IS NOT NULL"),
    )
    op.create_index(
        "stripe_taken_idx",
        "stripe_payments",
        ["account"],
        schema="payment",
        postgresql_where=sa.text("taken_back > 0"),
    )
    op.create_table(
        "card_reversals",
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("intent_id", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
        schema="payment",
    )
    for column in ("intent_id", "received_at"):
        name = f"card_reversals_{column.partition('_')[0]}_idx"
        op.create_index(name, "card_reversals", [column], schema="payment")
    op.create_table(
        "top_up_returns",
        sa.Column("transfer_id", sa.String(64), nullable=False),
        sa.Column("payment_id", sa.String(64), nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("amount <> 0", name="no_empty_returns"),
        sa.PrimaryKeyConstraint("transfer_id"),
        schema="payment",
    )
