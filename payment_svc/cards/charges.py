"""Card payments by the real rail: purchases are charged and refunded in the background.

Stripe is called between two transactions, never inside one: the first takes the payment in hand,
the second writes down what came of it. A crash in between costs nothing but time: the payment is
taken up again with the same idempotency key.
"""

import asyncio
from datetime import timedelta

import structlog
from stripe import StripeClient

from chassis.bus.envelopes import origin
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.cards import CardReply, RetryCard
from contracts.envelope import Envelope
from contracts.errors import Conflict, Internal, NotFound
from payment_svc.cards import rail as cards
from payment_svc.cards import rail_refunds as card_refunds
from payment_svc.cards import store as store_cards
from payment_svc.cards import store_refunds as store_card_refunds
from payment_svc.cards import store_tab, top_ups
from payment_svc.cards.telling import tell
from payment_svc.ledger.views import card_view
from payment_svc.settings import Settings

log = structlog.get_logger()

KEY_LASTS = timedelta(hours=23)
"""Stripe remembers an idempotency key for at least a day; a later attempt could charge twice."""
NO_CHARGE = "Less than half a cent: nothing was charged."
NOT_CHARGED = "The card was not charged: there is nothing to give back to it."


async def work(db: Database, client: StripeClient, settings: Settings) -> None:
    """Attempt every card payment that is due, and look at those nobody told of; some at a time."""
    while True:
        async with db.transaction() as tx:
            due = [
                *await store_cards.claim_due(tx.conn, settings.card_lease_s),
                *await store_cards.claim_waiting(tx.conn, settings.card_lease_s),
            ]
            for payment in due:
                await _gather_small(tx, payment)
        if not due:
            return
        await asyncio.gather(*(_attempt(db, client, settings, payment) for payment in due))


async def _gather_small(tx: Transaction, payment: store_cards.Found) -> None:
    """Have a purchase carry what waits for one, from its first attempt on.

    It is decided as the purchase is taken in hand: a repeat, also after a crash, is of the same
    amount, as it has the same key.
    """
    if payment.type == "card_spend" and payment.attempts == 1 and cards.in_cents(payment.amount):
        await store_tab.carry(tx.conn, payment.id)


async def _attempt(
    db: Database, client: StripeClient, settings: Settings, payment: store_cards.Found
) -> None:
    if payment.type == "balance_load" and not payment.refund_of:
        await top_ups.look(db, client, settings, payment)
        return
    outcome = await (
        _refund_outcome(db, client, payment)
        if payment.refund_of
        else _outcome(db, client, settings, payment)
    )
    async with db.transaction(origin("payment", "card.attempt", payment.account)) as tx:
        changed = await _written(tx, settings, payment, outcome)
        if changed is None or changed.note != payment.note or changed.status != payment.status:
            tell(tx, changed)


async def _written(
    tx: Transaction, settings: Settings, payment: store_cards.Found, outcome: cards.Outcome
) -> store_cards.Found | None:
    """Write down what came of an attempt; None when somebody knew better meanwhile."""
    again_s = retry_s(settings, payment.attempts)
    if outcome.too_small or (outcome.end == "failed" and outcome.note != cards.UNKNOWN):
        await store_tab.let_go(tx.conn, payment.id)
    if outcome.too_small:
        return await store_tab.put(tx.conn, payment, cards.TOO_SMALL)
    if outcome.end in {"completed", "failed"}:
        return await store_cards.end(
            tx.conn,
            payment.id,
            payment.retries,
            outcome.end,
            intent_id=outcome.intent_id,
            note=outcome.note,
        )
    if outcome.key_spent:
        return await store_cards.new_key(tx.conn, payment, again_s=again_s, note=outcome.note)
    return await store_cards.wait(
        tx.conn,
        payment.id,
        payment.retries,
        again_s=again_s if outcome.end == "again" else None,
        look_s=settings.card_look_s,
        intent_id=outcome.intent_id,
        note=outcome.note or payment.note,
    )


async def _outcome(
    db: Database, client: StripeClient, settings: Settings, payment: store_cards.Found
) -> cards.Outcome:
    if payment.intent_id is not None:
        return await cards.look(client, payment.intent_id)
    if not cards.in_cents(payment.amount):
        return cards.Outcome("completed", note=NO_CHARGE)
    if payment.trying_for > KEY_LASTS:
        return cards.Outcome("failed", note=cards.UNKNOWN)
    async with db.transaction() as tx:
        amount = await store_tab.total(tx.conn, payment.id)
    return await cards.charge(client, settings, payment, amount)


async def _refund_outcome(
    db: Database, client: StripeClient, payment: store_cards.Found
) -> cards.Outcome:
    """Give a purchase back to its card, once it is known whether that was charged."""
    if payment.intent_id is not None:
        return await card_refunds.look(client, payment.intent_id)
    async with db.transaction() as tx:
        purchase = await store_cards.find(tx.conn, payment.refund_of)
        if purchase is not None and purchase.on_tab:
            if await store_tab.strike(tx.conn, purchase.id):
                return cards.Outcome("completed", note=NOT_CHARGED)
            # It is as its charge is.
            purchase = await store_cards.find(tx.conn, purchase.charged_with)
        charged = await store_tab.total(tx.conn, purchase.id) if purchase is not None else None
    if purchase is None or charged is None:
        raise Internal("A refund has no purchase.")
    if purchase.status == "pending":
        return cards.Outcome("again", note="The purchase itself is still pending.")
    if purchase.note == cards.UNKNOWN:
        return cards.Outcome("failed", note=cards.UNKNOWN)
    if purchase.intent_id is None or purchase.status == "failed":
        return cards.Outcome("completed", note=NOT_CHARGED)
    return await card_refunds.refund(client, payment, purchase.intent_id, charged)


def retry_s(settings: Settings, attempts: int) -> float:
    """Seconds until the next attempt after `attempts` came to nothing: each wait is twice as long.

    Stripe stays away for all payments at once; the longest wait bounds how late they come back.
    """
    return float(
        min(settings.card_retry_at_most_s, settings.card_retry_s * 2 ** min(attempts - 1, 30))
    )


async def retry_card(
    request: RetryCard,
    tx: Transaction,
    here: Envelope,
    client: StripeClient | None,
) -> CardReply:
    """Try a failed purchase, or its failed refund, again, with a new idempotency key.

    Raises:
        NotFound: no such card payment in this account.
        Conflict: it did not fail, is a top-up, was given back, or the rail is simulated now.
    """
    known = await store_cards.find_own(tx.conn, here.account, request.payment_id, lock=True)
    if known is None:
        raise NotFound("Payment not found")
    if known.type != "card_spend" and not known.refund_of:
        raise Conflict("A top-up is not tried again: open a new checkout.")
    if await store_card_refunds.of(tx.conn, known.id):
        raise Conflict("What was bought has been given back.")
    if client is None:
        raise Conflict("The card rail is simulated: set STRIPE_API_KEY to try again.")
    payment = await store_cards.begin_again(tx.conn, known.id)
    if payment is None:
        raise Conflict(f"Only a failed payment is tried again; this one is {known.status}.")
    tell(tx, payment)
    return CardReply(payment=card_view(payment))
