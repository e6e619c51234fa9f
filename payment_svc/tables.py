"""All tables of the schema `payment`. Amounts are BazaarBucks, NUMERIC(20,6)."""

from payment_svc.schema import MONEY, metadata
from payment_svc.tables_holds import budgets, hold_lines, holds
from payment_svc.tables_hooks import pushes, webhook_deliveries, webhooks
from payment_svc.tables_ledger import (
    announcements,
    checkpoint_sums,
    checkpoints,
    entries,
    ledger_accounts,
)
from payment_svc.tables_machine import machine_payments, machine_receipts
from payment_svc.tables_payments import bazaarbucks_payments, stripe_payments
from payment_svc.tables_selling import agent_owners, disputes, earnings, payouts, sellers
from payment_svc.tables_spending import approvals, spenders
from payment_svc.tables_stripe import card_reversals, stripe_events, top_up_returns

__all__ = [
    "MONEY",
    "agent_owners",
    "announcements",
    "approvals",
    "bazaarbucks_payments",
    "budgets",
    "card_reversals",
    "checkpoint_sums",
    "checkpoints",
    "disputes",
    "earnings",
    "entries",
    "hold_lines",
    "holds",
    "ledger_accounts",
    "machine_payments",
    "machine_receipts",
    "metadata",
    "payouts",
    "pushes",
    "sellers",
    "spenders",
    "stripe_events",
    "stripe_payments",
    "top_up_returns",
    "webhook_deliveries",
    "webhooks",
]
