"""Wallets: opened once, with a grant from outside."""

from decimal import Decimal

from chassis.bus.envelopes import new_id, origin
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.ledger import GetWallet, OpenWallet, WalletView
from contracts.payment import WalletCredited
from payment_svc.domain import Transfer, grant_postings, wallet_of
from payment_svc.ledger import store as store_ledger
from payment_svc.ledger.books import get_wallet
from payment_svc.settings import Settings


async def open_wallet(db: Database, account: str, grant: Decimal) -> bool:
    """Open the account's wallet with `grant` BazaarBucks, unless it exists.

    Returns:
        Whether it was opened now; of two replicas that start at once, one opens it.
    """
    async with db.transaction(origin("payment", "wallet.open", account)) as tx:
        return await _open(tx, account, grant)


async def open_on_order(
    request: OpenWallet, tx: Transaction, here: Envelope, settings: Settings
) -> WalletView:
    """Open the wallet of the account unless it is open; the wallet as it then is."""
    grant = settings.wallet_grant if request.grant is None else request.grant
    await _open(tx, here.account, grant)
    return await get_wallet(GetWallet(), tx, here)


async def _open(tx: Transaction, account: str, grant: Decimal) -> bool:
    if not await store_ledger.open_wallet(tx.conn, wallet_of(account)):
        return False
    if grant:
        postings = grant_postings(account, grant)
        await store_ledger.credit(tx.conn, postings)
        await store_ledger.post(tx.conn, [Transfer(new_id(), account, "grant", postings)])
        tx.publish(WalletCredited(account=account, amount=grant, reason="grant"), account=account)
    return True
