"""What Stripe tells: checked and stored when it arrives, handled afterwards, once.

Events come twice, late and in any order. A payment that is completed stays so; a failure counts
only for the try that it belongs to; a wallet is credited by the one change to `completed`.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import stripe
import structlog

from chassis.bus.envelopes import origin
from chassis.db.aging import age
from chassis.db.away import is_away
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.cards import TakeWebhook, WebhookTaken
from contracts.errors import Unavailable
from payment_svc.cards import rail as cards
from payment_svc.cards import rail_refunds as card_refunds
from payment_svc.cards import reversals, store_events, store_reversals, store_tab, top_ups
from payment_svc.cards import store as store_cards
from payment_svc.cards import store_refunds as store_card_refunds
from payment_svc.cards.telling import tell
from payment_svc.payouts import onboarding
from payment_svc.settings import Settings

log = structlog.get_logger()

TOLERANCE_S = 300
ID_LENGTH = 255
KEPT_DAYS = 31
AT_ONCE = 1_000

SUCCEEDED = "payment_intent.succeeded"
INTENT_FAILED = frozenset({"payment_intent.payment_failed", "payment_intent.canceled"})
CHARGE_REFUNDED = "charge.refunded"


async def take_webhook(request: TakeWebhook, tx: Transaction, settings: Settings) -> WebhookTaken:
    """Store an event that Stripe signed, unless it is known; it is handled afterwards.

    Raises:
        Unavailable: there is no secret to check the signature with.
    """
    if not settings.webhook_secrets:
        raise Unavailable("No webhook is taken: STRIPE_WEBHOOK_SECRET is not set.")
    try:
        body = base64.b64decode(request.payload, validate=True).decode()
        event = signed_by_stripe(body, request.signature, settings.webhook_secrets)
        id_, type_ = str(event["id"]), str(event["type"])
    except stripe.SignatureVerificationError as error:
        log.warning("webhook refused", why=error.user_message)
        return WebhookTaken(refused="The signature of the webhook is not right, or too old.")
    except (binascii.Error, ValueError, KeyError, AttributeError, RecursionError) as error:
        log.warning("webhook refused", why=type(error).__name__)
        return WebhookTaken(refused="The webhook's body is not an event of Stripe.")
    if max(len(id_), len(type_)) > ID_LENGTH or "\x00" in body + id_ + type_:
        return WebhookTaken(refused="The webhook's body is not an event of Stripe.")
    if not await store_events.store_event(tx.conn, id_, type_, body):
        log.info("webhook was known", event_id=id_)
    return WebhookTaken()


def signed_by_stripe(body: str, signature: str, secrets: Sequence[str]) -> stripe.Event:
    """The event that a body is, by whichever endpoint of ours at Stripe it came.

    Raises:
        stripe.SignatureVerificationError: it is signed with none of the secrets.
    """
    *others, last = secrets
    for secret in others:
        with suppress(stripe.SignatureVerificationError):
            return _read(body, signature, secret)
    return _read(body, signature, last)


def _read(body: str, signature: str, secret: str) -> stripe.Event:
    # The key is only to read the event; nothing is asked with it.
    event: stripe.Event = stripe.Webhook.construct_event(
        body, signature, secret, TOLERANCE_S, api_key="none"
    )
    return event


async def work(db: Database) -> None:
    """Handle every event that is due, the oldest first; each in a transaction of its own."""
    while await _handle_one(db):
        pass


async def forget(db: Database) -> None:
    """Drop events that were handled long ago, and what they told of payments of others."""
    await age(db, store_events.forget_events, KEPT_DAYS, AT_ONCE)
    await age(db, store_reversals.forget_strangers, KEPT_DAYS, AT_ONCE)


async def _handle_one(db: Database) -> bool:
    event = None
    try:
        async with db.transaction() as tx:
            event = await store_events.lock_due_event(tx.conn)
            if event is None:
                return False
            outcome = await _apply(tx, event.type, json.loads(event.body))
            await store_events.close_event(tx.conn, event.id, outcome)
    except Exception as error:
        if event is None or is_away(error):
            raise
        # One event that cannot be handled must not hold up those behind it.
        log.exception("webhook not handled", event_id=event.id)
        async with db.transaction() as tx:
            await store_events.put_off_event(tx.conn, event.id, type(error).__name__)
    else:
        log.info("webhook handled", event_id=event.id, type=event.type, outcome=outcome)
    return True


async def _apply(tx: Transaction, type_: str, body: dict[str, Any]) -> str:
    """Do what an event says; what came of it, in words."""
    if (told := await onboarding.on_told(tx, type_, body)) is not None:
        return told
    thing = body["data"]["object"]
    payment = await _payment_of(tx, thing)
    if payment is not None:
        tx.cause = origin("payment", type_, payment.account)
    reversal = reversals.read(type_, body)
    if reversal is not None and (payment is None or _is_top_up(payment)):
        return await reversals.on_reversal(tx, reversal, payment)
    if payment is None:
        return "not about a payment of ours"
    if payment.refund_of:
        return await _on_refund(tx, thing, payment)
    if _is_top_up(payment):
        return await top_ups.on_page(tx, type_, thing, payment)
    return await _on_intent(tx, type_, thing, payment)


async def _payment_of(tx: Transaction, thing: dict[str, Any]) -> store_cards.Found | None:
    """The payment that an event is about, locked: a dispute names nothing but Stripe's own id."""
    intent = thing["id"] if thing.get("object") == "payment_intent" else thing.get("payment_intent")
    if isinstance(intent, str):
        await store_reversals.lock_intent(tx.conn, intent)
    payment_id = (thing.get("metadata") or {}).get("payment_id")
    if payment_id:
        return await store_cards.find(tx.conn, str(payment_id), lock=True)
    return await store_reversals.payment_of(tx.conn, intent) if isinstance(intent, str) else None


def _is_top_up(payment: store_cards.Found) -> bool:
    return payment.type == "balance_load" and not payment.refund_of


async def _on_intent(
    tx: Transaction, type_: str, intent: dict[str, Any], payment: store_cards.Found
) -> str:
    if type_ == SUCCEEDED:
        due = cards.in_cents(await store_tab.total(tx.conn, payment.id))
        if intent.get("amount_received", intent["amount"]) != due:
            log.error("card was charged another amount", payment_id=payment.id)
            return "another amount was charged: look at Stripe"
        done = await store_cards.complete(
            tx.conn, payment.id, intent_id=intent["id"], session_id=None
        )
        tell(tx, done)
        if done is not None:
            tell(tx, await store_card_refunds.reopen(tx.conn, payment.id))
        return "completed" if done else "was completed before"
    if type_ in INTENT_FAILED:
        if (intent.get("metadata") or {}).get("key") != cards.key_of(payment):
            return "about an earlier try"
        reason = (intent.get("last_payment_error") or {}).get("message")
        done = await store_cards.end(
            tx.conn,
            payment.id,
            payment.retries,
            "failed",
            intent_id=intent["id"],
            note=str(reason or f"Stripe says {type_}.")[: cards.NOTE_LENGTH],
        )
        tell(tx, done)
        if done is not None:
            await store_tab.let_go(tx.conn, payment.id)
        return "failed" if done else f"is {payment.status} already"
    if type_ == CHARGE_REFUNDED and await store_card_refunds.of(tx.conn, payment.id) is None:
        log.warning("a purchase was refunded at Stripe, not here", payment_id=payment.id)
        return "refunded at Stripe, not here: refund the purchase here as well"
    return "nothing to do"


async def _on_refund(tx: Transaction, refund: dict[str, Any], payment: store_cards.Found) -> str:
    """What Stripe says of a refund that we asked for; its status counts, not the event's name.

    Only the current try counts: an older one ends no newer one, whatever it came to. A refund that
    has succeeded can still fail, when the card's bank sends it back.
    """
    key = (refund.get("metadata") or {}).get("key")
    if key not in {cards.key_of(payment), card_refunds.key_for(payment, refund["amount"])}:
        return "about an earlier try"
    if key != card_refunds.key_for(payment, refund["amount"]):
        log.error("another amount was refunded", payment_id=payment.id)
        return "another amount was refunded: look at Stripe"
    if refund.get("status") == "succeeded":
        done = await store_cards.end(
            tx.conn, payment.id, payment.retries, "completed", intent_id=refund["id"]
        )
        tell(tx, done)
        return "refunded" if done else f"is {payment.status} already"
    if refund.get("status") in card_refunds.FAILED:
        note = card_refunds.failure_note(refund.get("failure_reason"))
        done = await store_card_refunds.fail(tx.conn, payment, refund["id"], note)
        tell(tx, done)
        return "failed" if done else "is failed already"
    return "nothing to do"
