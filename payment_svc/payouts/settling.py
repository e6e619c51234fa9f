"""Earnings become their sellers' once no payer may have them back any more."""

from chassis.bus.envelopes import new_id
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from payment_svc.domain import Transfer
from payment_svc.ledger import store as store_ledger
from payment_svc.payouts import store
from payment_svc.payouts.domain import Settled, settle_postings
from payment_svc.settings import Settings

AT_ONCE = 500


async def settle_due(db: Database, settings: Settings) -> None:
    """Settle all that is old enough, some at a time, each seller's in one transfer."""
    while True:
        async with db.transaction() as tx:
            due = await store.claim_due(tx.conn, settings.payout_delay_s, AT_ONCE)
            await _settle(tx, due, settings)
        if len(due) < AT_ONCE:
            return


async def _settle(tx: Transaction, due: list[Settled], settings: Settings) -> None:
    by_owner: dict[str, list[Settled]] = {}
    for step in due:
        by_owner.setdefault(step.owner, []).append(step)
    transfers = []
    for owner, steps in sorted(by_owner.items()):
        transfer = Transfer(new_id(), owner, "settled", settle_postings(owner, steps))
        await store.settle(tx.conn, transfer.id, [step.step_id for step in steps])
        await store.add_seller(tx.conn, owner, settings.payout_every_s or 0)
        transfers.append(transfer)
    lines = [line for transfer in transfers for line in transfer.postings]
    taken = [line for line in lines if line.amount < 0]
    if lines:
        # Of one agent there may be lines of two sellers, when it was given to another.
        await store_ledger.move(tx.conn, taken)
        await store_ledger.credit(tx.conn, [line for line in lines if line.amount > 0])
        await store_ledger.post(tx.conn, transfers)
    tx.touches(*by_owner)
