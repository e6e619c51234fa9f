"""Payouts on their way: paid in the background, and asked for when their time has come.

Stripe is called between two transactions, never inside one: the first takes the payout in hand, the
second writes down what came of it. A crash in between costs nothing but time: the next try finds
what was paid.
"""

import asyncio
from decimal import Decimal

import structlog
from stripe import StripeClient

from chassis.bus.envelopes import new_id, origin
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.errors import Conflict
from contracts.hooks import HookEvent
from contracts.selling import PayoutFailed, PayoutPaid
from payment_svc.cards.charges import KEY_LASTS, retry_s
from payment_svc.domain import Transfer
from payment_svc.hooks import telling as hooks
from payment_svc.ledger import store as store_ledger
from payment_svc.payouts import rail, store
from payment_svc.payouts.domain import paid_postings, payable, payout_postings
from payment_svc.payouts.requests import take
from payment_svc.settings import Settings

log = structlog.get_logger()
NO_RAIL = "The card rail is simulated now: set STRIPE_API_KEY to pay this out."


async def work(db: Database, client: StripeClient | None, settings: Settings) -> None:
    """Attempt every payout that is due, some at a time."""
    while True:
        async with db.transaction(at_once=True) as tx:
            due = await store.claim_payouts(tx.conn, settings.card_lease_s)
        if not due:
            return
        await asyncio.gather(*(_attempt(db, client, settings, payout) for payout in due))


async def _attempt(
    db: Database, client: StripeClient | None, settings: Settings, payout: store.Found
) -> None:
    if payout.rail == "simulated":
        outcome = rail.Outcome("paid")
    elif client is None:
        outcome = rail.Outcome("again", note=NO_RAIL)
    else:
        outcome = await rail.pay(client, settings, payout)
    async with db.transaction(origin("payment", "payout.attempt", payout.owner)) as tx:
        if outcome.end == "again":
            # Stripe forgets keys after a day; the look before each try does not.
            anew = outcome.key_spent or payout.trying_for > KEY_LASTS
            again_s = retry_s(settings, payout.attempts)
            await store.put_off(tx.conn, payout, again_s, outcome.note, new_key=anew)
        else:
            await _end(tx, payout, outcome)


async def _end(tx: Transaction, payout: store.Found, outcome: rail.Outcome) -> None:
    ended = await store.end(tx.conn, payout, outcome.end, outcome.transfer, outcome.note)
    if ended is None:
        return
    log.info("payout", payout_id=ended.id, status=ended.status, note=ended.note)
    told = {"payout_id": ended.id, "amount": ended.amount, "rail": ended.rail}
    if outcome.end == "paid":
        kind, postings = "payout_paid", paid_postings(ended.amount)
        tx.publish(PayoutPaid(**told, transfer=ended.transfer), account=ended.owner)
    else:
        kind, postings = "payout_failed", payout_postings(ended.owner, -ended.amount)
        tx.publish(PayoutFailed(**told, note=ended.note or ""), account=ended.owner)
    said = {"payoutId": ended.id, "amount": str(ended.amount), "note": ended.note}
    type_: HookEvent = "payout.paid" if outcome.end == "paid" else "payout.failed"
    await hooks.tell(tx, ended.owner, type_, f"{type_}-{ended.id}", said)
    await store_ledger.shift(tx.conn, postings)
    transfer = Transfer(new_id(), ended.owner, kind, postings, step_id=ended.id)
    await store_ledger.post(tx.conn, [transfer])


async def schedule(db: Database, settings: Settings) -> None:
    """Have every seller paid whose time has come and who has enough."""
    every_s = settings.payout_every_s
    while every_s:
        async with db.transaction(at_once=True) as tx:
            due = await store.claim_scheduled(tx.conn, every_s)
        if not due:
            return
        for seller in due:
            await _ask_for(db, seller.account, settings)


async def _ask_for(db: Database, account: str, settings: Settings) -> None:
    async with db.transaction(origin("payment", "payout.scheduled", account)) as tx:
        has = await store.balance(tx.conn, account)
        if payable(has.posted if has else Decimal(0)) < max(settings.payout_least, Decimal("0.01")):
            return
        try:
            await take(tx, account, settings)
        except Conflict as refused:
            log.info("no payout", account=account, why=refused.message)
