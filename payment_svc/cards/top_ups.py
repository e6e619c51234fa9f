"""Top-ups: a page at Stripe, and one credit when it says that it was paid.

Its webhook says so; where that says nothing, the page is looked at now and then.
"""

from datetime import timedelta
from typing import Any

import structlog
from stripe import StripeClient

from chassis.bus.envelopes import new_id, origin
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.cards import Checkout, OpenCheckout
from contracts.envelope import Envelope
from contracts.errors import Conflict, Internal, Invalid, Unavailable
from contracts.payment import Rail, WalletCredited
from payment_svc.cards import checkouts, reversals, store_reversals
from payment_svc.cards import rail as cards
from payment_svc.cards import store as store_cards
from payment_svc.cards.telling import tell
from payment_svc.domain import Transfer, grant_postings
from payment_svc.ledger import names
from payment_svc.ledger import store as store_ledger
from payment_svc.settings import Settings

log = structlog.get_logger()

NO_PAGE = "No page to pay on was opened."
EXPIRED = "The page to pay on has expired."
NO_STRIPE = "The simulated card rail has no checkout: set STRIPE_API_KEY to top up."
NO_WEBHOOK = "Nobody would hear that a checkout was paid: set STRIPE_WEBHOOK_SECRET to top up."
PAID = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
FAILED = frozenset({"checkout.session.expired", "checkout.session.async_payment_failed"})
LOOKS_LAST = timedelta(days=30)
"""How long a page is looked at; money that takes its time comes within two weeks."""


async def open_checkout(
    request: OpenCheckout,
    here: Envelope,
    db: Database,
    client: StripeClient | None,
    settings: Settings,
) -> Checkout:
    """Store a top-up, then open the page where it is paid; simulated, it is paid at once.

    With an id that is known, the page is the same, or a new one when that has expired; where it was
    never heard of, Stripe is asked again under the same idempotency key.

    Raises:
        Conflict: the rail is simulated and tops nothing up, its webhook has no secret, or the id
            was used for something else.
        Invalid: Stripe refuses the amount.
        Unavailable: Stripe cannot be reached; nothing was charged.
    """
    if client is None:
        if not settings.simulated_top_up:
            raise Conflict(NO_STRIPE)
        return await _simulated(request, here, db, settings)
    if settings.stripe_webhook_secret is None:
        raise Conflict(NO_WEBHOOK)
    id_ = request.payment_id or new_id()
    async with db.transaction(here) as tx:
        known, first = await _stored(tx, request, id_, here.account, settings.card_lease_s)
    known = await _renewed(db, client, settings, known, here)
    if known.page_url:
        return Checkout(id=id_, url=known.page_url)
    try:
        session_id, url = await checkouts.open_page(client, settings, known)
    except checkouts.CheckoutRefused as error:
        async with db.transaction(here) as tx:
            if error.key_spent:
                failed = await store_cards.new_key(
                    tx.conn, known, again_s=None, status="failed", note=error.note
                )
                tell(tx, failed)
            elif first:  # A repeat knows nothing of what the first request is still told.
                end = await store_cards.end(
                    tx.conn, known.id, known.retries, "failed", note=error.note
                )
                tell(tx, end)
        raise (Unavailable if error.passing else Invalid)(error.note) from None
    async with db.transaction(here) as tx:
        changed = await store_cards.set_session(
            tx.conn, known, session_id, url, settings.card_look_s
        )
        if not first:
            tell(tx, changed)
    return Checkout(id=id_, url=url)


async def _simulated(
    request: OpenCheckout, here: Envelope, db: Database, settings: Settings
) -> Checkout:
    """Credit the wallet as if it had been paid: once, however often it is asked."""
    id_ = request.payment_id or new_id()
    async with db.transaction(here) as tx:
        known, _ = await _stored(tx, request, id_, here.account, settings.card_lease_s, "simulated")
        paid = await store_cards.complete(tx.conn, known.id, intent_id=None, session_id=None)
        if paid is not None:
            await _credit(tx, paid)
    return Checkout(id=id_, url=settings.checkout_success_url)


async def _stored(
    tx: Transaction,
    request: OpenCheckout,
    id_: str,
    account: str,
    abandon_s: float,
    rail: Rail = "stripe",
) -> tuple[store_cards.Found, bool]:
    """The top-up with this id, and whether it was stored now."""
    first = await store_cards.insert_load(
        tx.conn, id_, account, request.amount, abandon_s, rail=rail
    )
    known = await store_cards.find_own(tx.conn, account, id_)
    if known is None:  # Another account has the id; here it is only what the top-up is called.
        await names.lock(tx.conn, account, id_)
        known = await store_cards.find_own(tx.conn, account, id_)
        if known is None:
            first = await store_cards.insert_load(
                tx.conn, new_id(), account, request.amount, abandon_s, id_, rail
            )
            known = await store_cards.find_own(tx.conn, account, id_)
    if known is None:
        raise Internal("A top-up that was just stored is gone.")
    same = (known.type, known.refund_of, known.amount) == ("balance_load", None, request.amount)
    if not same:
        raise Conflict("This payment id was used for something else.")
    if first:
        tell(tx, known)
    return known, first


async def _renewed(
    db: Database,
    client: StripeClient,
    settings: Settings,
    known: store_cards.Found,
    here: Envelope,
) -> store_cards.Found:
    """The top-up, without its page when nobody can pay there any more."""
    if known.session_id is None or known.status == "completed":
        return known
    if known.status == "pending":
        page = await checkouts.look(client, known.session_id)
        if page is None or page.get("status") != "expired":
            return known
    async with db.transaction(here) as tx:
        changed = await store_cards.new_key(tx.conn, known, again_s=settings.card_lease_s)
        tell(tx, changed)
        found = changed or await store_cards.find(tx.conn, known.id)
    if found is None:
        raise Internal("A top-up is gone.")
    return found


async def look(
    db: Database, client: StripeClient, settings: Settings, payment: store_cards.Found
) -> None:
    """See what became of a top-up that no webhook told of; one without a page is given up."""
    page = None
    if payment.session_id is not None:
        page = await checkouts.look(client, payment.session_id)
    async with db.transaction(origin("payment", "card.look", payment.account)) as tx:
        if payment.session_id is None:
            tell(
                tx,
                await store_cards.end(tx.conn, payment.id, payment.retries, "failed", note=NO_PAGE),
            )
            return
        type_ = _as_event(page)
        if page is not None and type_ is not None:
            if page.get("payment_intent"):
                await store_reversals.lock_intent(tx.conn, page["payment_intent"])
            came = await on_page(tx, type_, page, payment)
            log.info("top-up looked at", payment_id=payment.id, outcome=came)
        later_s = None if payment.trying_for > LOOKS_LAST else settings.card_look_s
        await store_cards.wait(
            tx.conn, payment.id, payment.retries, look_s=later_s, note=payment.note
        )


def _as_event(page: dict[str, Any] | None) -> str | None:
    """The type of the event that would have told how a page stands; None while it is open."""
    if page is None:
        return None
    if page.get("status") == "expired":
        return "checkout.session.expired"
    return "checkout.session.completed" if page.get("status") == "complete" else None


async def on_page(
    tx: Transaction, type_: str, page: dict[str, Any], payment: store_cards.Found
) -> str:
    """What Stripe says of a top-up's page; what came of it, in words."""
    if type_ in PAID and page.get("payment_status") == "paid":
        if page.get("amount_total") != cards.in_cents(payment.amount):
            log.error("another amount was paid", payment_id=payment.id)
            return "another amount was paid: look at Stripe"
        done = await store_cards.complete(
            tx.conn,
            payment.id,
            intent_id=page.get("payment_intent"),
            session_id=page["id"],
        )
        if done is None:
            return "was credited before"
        await _credit(tx, done)
        return "credited"
    if type_ in FAILED:
        if page.get("id") != payment.session_id:
            return "about an earlier page"
        note = EXPIRED if "expired" in type_ else "The payment failed."
        done = await store_cards.end(tx.conn, payment.id, payment.retries, "failed", note=note)
        tell(tx, done)
        return "failed" if done else f"is {payment.status} already"
    return "nothing to do"


async def _credit(tx: Transaction, payment: store_cards.Found) -> None:
    """Put what was paid into the wallet; the payment's one change to `completed` comes first."""
    postings = grant_postings(payment.account, payment.amount)
    await store_ledger.credit(tx.conn, postings)
    await store_ledger.post(tx.conn, [Transfer(new_id(), payment.account, "top_up", postings)])
    tell(tx, payment)
    tx.publish(
        WalletCredited(account=payment.account, amount=payment.amount, reason="top_up"),
        account=payment.account,
    )
    if payment.intent_id is not None:
        await reversals.settle(tx, payment)  # It may have been refunded before we heard of it.
