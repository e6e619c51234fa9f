"""Accounts that are closed: they spend nothing more, and keep what they have."""

import structlog

from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.spending import CloseAccount, ClosedAccount
from payment_svc.domain import wallet_of
from payment_svc.ledger import store as store_ledger
from payment_svc.payouts import store as store_payouts
from payment_svc.spending import store

log = structlog.get_logger()


async def close_account(request: CloseAccount, tx: Transaction, here: Envelope) -> ClosedAccount:
    """Close the account: no more holds, no credentials, no payouts but those that are asked for."""
    wallet = wallet_of(here.account)
    await store_ledger.open_wallet(tx.conn, wallet)
    closed_at, reason = await store_ledger.close(tx.conn, wallet, request.reason)
    revoked = await store.close_all(tx.conn, here.account)
    await store_payouts.never_by_itself(tx.conn, here.account)
    log.info("account closed", account=here.account, reason=reason, revoked=revoked)
    return ClosedAccount(account=here.account, closed_at=closed_at, reason=reason, revoked=revoked)
