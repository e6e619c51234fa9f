"""Wallets: opened once, with a grant from outside."""

from decimal import Decimal

from chassis.database import Database
from chassis.envelopes import new_id, origin
from contracts.payment import WalletCredited
from payment_svc import store_ledger
from payment_svc.domain import Transfer, grant_postings, wallet_of


async def open_wallet(db: Database, account: str, grant: Decimal) -> bool:
    """Open the account's wallet with `grant` BazaarBucks, unless it exists.

    Returns:
        Whether it was opened now; of two replicas that start at once, one opens it.
    """
    async with db.transaction(origin("payment", "wallet.open", account)) as tx:
        if not await store_ledger.open_wallet(tx.conn, wallet_of(account)):
            return False
        if grant:
            postings = grant_postings(account, grant)
            await store_ledger.credit(tx.conn, postings)
            await store_ledger.post(tx.conn, [Transfer(new_id(), account, "grant", postings)])
            tx.publish(WalletCredited(account=account, amount=grant, reason="grant"))
        return True
