"""Card payments by the real rail: purchases charged in the background, top-ups opened at once.

Stripe is called between two transactions, never inside one: the first takes the payment in hand,
the second writes down what came of it. A crash in between costs nothing but time: the payment is
taken up again with the same idempotency key.
"""

import asyncio
from datetime import timedelta
from typing import Annotated

import structlog
from stripe import StripeClient

from chassis.database import Database, Transaction
from chassis.delivery import Here, Tx
from chassis.envelopes import new_id, origin
from chassis.given import Given
from contracts.cards import CardReply, Checkout, OpenCheckout, RetryCard
from contracts.errors import Conflict, Internal, Invalid, NotFound, Unavailable
from contracts.payment import StripePaymentUpdated, StripePaymentView
from payment_svc import cards, store_card_refunds, store_cards
from payment_svc.settings import Settings

log = structlog.get_logger()

KEY_LASTS = timedelta(hours=23)
"""Stripe remembers an idempotency key for at least a day; a later attempt could charge twice."""
NO_PAGE = "No page to pay on was opened."
NO_CHARGE = "Less than half a cent: nothing was charged."
NOT_CHARGED = "The card was not charged: there is nothing to give back to it."


def updated(payment: store_cards.Found) -> StripePaymentUpdated:
    """The event that says how a card payment stands."""
    return StripePaymentUpdated(
        payment_id=payment.id,
        task_id=payment.task_id,
        agent_id=payment.agent_id,
        vendor=payment.vendor,
        amount=payment.amount,
        status=payment.status,
        payment_type=payment.type,
        rail=payment.rail,
        note=payment.note,
        refund_of=payment.refund_of,
    )


def tell(tx: Transaction, payment: store_cards.Found | None) -> None:
    """Publish how a payment stands, if it has changed."""
    if payment is not None:
        log.info("card payment", payment_id=payment.id, status=payment.status, note=payment.note)
        tx.publish(updated(payment), account=payment.account)


async def work(db: Database, client: StripeClient, settings: Settings) -> None:
    """Attempt every card payment that is due, some at a time."""
    while True:
        async with db.transaction() as tx:
            due = await store_cards.claim_due(tx.conn, settings.card_lease_s)
        if not due:
            return
        await asyncio.gather(*(_attempt(db, client, settings, payment) for payment in due))


async def _attempt(
    db: Database, client: StripeClient, settings: Settings, payment: store_cards.Found
) -> None:
    outcome = await (
        _refund_outcome(db, client, payment)
        if payment.refund_of
        else _outcome(client, settings, payment)
    )
    async with db.transaction(origin("payment", "card.attempt", payment.account)) as tx:
        if outcome.end in {"completed", "failed"}:
            changed = await store_cards.end(
                tx.conn,
                payment.id,
                payment.retries,
                outcome.end,
                intent_id=outcome.intent_id,
                note=outcome.note,
            )
        else:
            changed = await store_cards.wait(
                tx.conn,
                payment.id,
                payment.retries,
                again_s=retry_s(settings, payment.attempts) if outcome.end == "again" else None,
                intent_id=outcome.intent_id,
                note=outcome.note,
            )
        if changed is None or changed.note != payment.note or changed.status != payment.status:
            tell(tx, changed)


async def _outcome(
    client: StripeClient, settings: Settings, payment: store_cards.Found
) -> cards.Outcome:
    if payment.type == "balance_load":
        return cards.Outcome("failed", note=NO_PAGE)
    if not cards.in_cents(payment.amount):
        return cards.Outcome("completed", note=NO_CHARGE)
    if payment.trying_for > KEY_LASTS:
        return cards.Outcome("failed", note=cards.UNKNOWN)
    return await cards.charge(client, settings, payment)


async def _refund_outcome(
    db: Database, client: StripeClient, payment: store_cards.Found
) -> cards.Outcome:
    """Give a purchase back to its card, once it is known whether that was charged."""
    async with db.transaction() as tx:
        purchase = await store_cards.find(tx.conn, payment.refund_of)
    if purchase is None:
        raise Internal("A refund has no purchase.")
    if purchase.status == "pending":
        return cards.Outcome("again", note="The purchase itself is still pending.")
    if purchase.note == cards.UNKNOWN:
        return cards.Outcome("failed", note=cards.UNKNOWN)
    if purchase.intent_id is None or purchase.status == "failed":
        return cards.Outcome("completed", note=NOT_CHARGED)
    return await cards.refund(client, payment, purchase.intent_id)


def retry_s(settings: Settings, attempts: int) -> float:
    """Seconds until the next attempt after `attempts` came to nothing: each wait is twice as long.

    Stripe stays away for all payments at once; the longest wait bounds how late they come back.
    """
    return float(
        min(settings.card_retry_at_most_s, settings.card_retry_s * 2 ** min(attempts - 1, 30))
    )


async def open_checkout(
    request: OpenCheckout,
    here: Here,
    db: Annotated[Database, Given("db")],
    client: Annotated[StripeClient | None, Given("stripe")],
    settings: Annotated[Settings, Given("settings")],
) -> Checkout:
    """Store a top-up, then open the page where it is paid.

    With an id that is known, the page is the same; where it was never heard of, Stripe is asked
    again under the same idempotency key.

    Raises:
        Conflict: the rail is simulated, or the id was used for something else.
        Invalid: Stripe refuses the amount.
        Unavailable: Stripe cannot be reached; nothing was charged.
    """
    if client is None:
        raise Conflict("The simulated card rail has no checkout: set STRIPE_API_KEY to top up.")
    payment_id = request.payment_id or new_id()
    async with db.transaction(here) as tx:
        first = await store_cards.insert_load(
            tx.conn, payment_id, here.account, request.amount, settings.card_lease_s
        )
        known = await store_cards.find(tx.conn, payment_id)
        if first:
            tell(tx, known)
    url = _same_page(request, known, here.account)
    if url:
        return Checkout(id=payment_id, url=url)
    try:
        session_id, url = await cards.open_checkout(client, settings, payment_id, request.amount)
    except cards.CheckoutRefused as error:
        if first:  # A repeat knows nothing of what the first request is still told.
            async with db.transaction(here) as tx:
                tell(tx, await store_cards.end(tx.conn, payment_id, 0, "failed", note=error.note))
        raise (Unavailable if error.passing else Invalid)(error.note) from None
    async with db.transaction(here) as tx:
        changed = await store_cards.set_session(tx.conn, payment_id, session_id, url)
        if not first:
            tell(tx, changed)
    return Checkout(id=payment_id, url=url)


def _same_page(request: OpenCheckout, known: store_cards.Found | None, account: str) -> str | None:
    """The page of a top-up that may have been asked for before; None when it has none yet."""
    if known is None:
        raise Internal("A top-up that was just stored is gone.")
    same = (known.account, known.type, known.refund_of, known.amount) == (
        account,
        "balance_load",
        None,
        request.amount,
    )
    if not same:
        raise Conflict("This payment id was used for something else.")
    return str(known.page_url) if known.page_url else None


async def retry_card(
    request: RetryCard,
    tx: Tx,
    here: Here,
    client: Annotated[StripeClient | None, Given("stripe")],
) -> CardReply:
    """Try a failed purchase, or its failed refund, again, with a new idempotency key.

    Raises:
        NotFound: no such card payment in this account.
        Conflict: it did not fail, is a top-up, was given back, or the rail is simulated now.
    """
    known = await store_cards.find(tx.conn, request.payment_id, lock=True)
    if known is None or known.account != here.account:
        raise NotFound("Payment not found")
    if known.type != "card_spend" and not known.refund_of:
        raise Conflict("A top-up is not tried again: open a new checkout.")
    if await store_card_refunds.of(tx.conn, known.id):
        raise Conflict("What was bought has been given back.")
    if client is None:
        raise Conflict("The card rail is simulated: set STRIPE_API_KEY to try again.")
    payment = await store_cards.begin_again(tx.conn, request.payment_id)
    if payment is None:
        raise Conflict(f"Only a failed payment is tried again; this one is {known.status}.")
    tell(tx, payment)
    return CardReply(payment=StripePaymentView.model_validate(payment, from_attributes=True))
