"""Fees and refunds on holds, and whose a ledger line is. Only additions: 0001's code goes on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MONEY = sa.Numeric(20, 6)


def upgrade() -> None:
    """Add columns with defaults, their checks, and the indexes of the new questions."""
    for name in ("fee", "refunded"):
        op.add_column(
            "holds",
            sa.Column(name, MONEY, server_default="0", nullable=False),
            schema="payment",
        )
        op.create_check_constraint(
            f"{name}_within_captured", "holds", f"{name} BETWEEN 0 AND captured", schema="payment"
        )
    op.create_index("holds_task_idx", "holds", ["task_id", "created_at"], schema="payment")
    op.add_column(
        "entries",
        sa.Column("account", sa.String(64), server_default="demo", nullable=False),
        schema="payment",
    )
    # The owner of a transfer is whose wallet it moved. Lines are never rewritten: this fills a new
    # column of old lines, and the right to do so ends with the transaction.
    op.execute("GRANT UPDATE (account) ON payment.entries TO CURRENT_USER")
    op.execute(
        """
        UPDATE payment.entries e SET account = substr(w.ledger_account, length('wallet:') + 1)
        FROM payment.entries w
        WHERE w.transfer_id = e.transfer_id AND w.ledger_account LIKE 'wallet:%'
          AND w.ledger_account <> 'wallet:demo'
        """
    )
    op.execute("REVOKE UPDATE (account) ON payment.entries FROM CURRENT_USER")
    op.drop_index("entries_statement_idx", "entries", schema="payment")
    op.create_index(
        "entries_statement_idx", "entries", ["account", "ledger_account", "id"], schema="payment"
    )
