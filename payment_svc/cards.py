"""The real card rail: Stripe behind a few functions. No database here, no call waits for ever.

Every call carries an idempotency key that is the same for every attempt at the same payment, so
Stripe charges once however often it is asked.
"""

import asyncio
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Literal

import stripe

from payment_svc.settings import Settings

if TYPE_CHECKING:
    from stripe.params import PaymentIntentCreateParams, RefundCreateParams
    from stripe.params.checkout import SessionCreateParams

CALL_S = 10.0
"""The longest that a call of Stripe may take, in seconds."""
NOTE_LENGTH = 500
TOO_MANY = 429
IN_USE = 409
BROKEN = 500
UNKNOWN = "What came of it at Stripe is unknown: look there before you retry."

REFUND_FAILED = frozenset({"failed", "canceled"})
"""Stripe's words for a refund that came to nothing."""

End = Literal["completed", "failed", "waiting", "again"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt to charge a card.

    Attributes:
        end: `waiting` for a webhook, `again` when it has to be attempted again.
        intent_id: Stripe's id of the payment, when there is one.
        note: why, as a sentence.
    """

    end: End
    intent_id: str | None = None
    note: str | None = None


class CheckoutRefused(Exception):
    """No checkout page could be opened; `passing` when later may be better."""

    def __init__(self, note: str, *, passing: bool) -> None:
        """Keep the sentence for whoever asked."""
        super().__init__(note)
        self.note = note
        self.passing = passing


def in_cents(amount: Decimal) -> int:
    """BazaarBucks in the currency's smallest unit, half a cent rounded up; may be 0."""
    return int((amount * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def key_of(payment: Any) -> str:
    """The idempotency key of a payment's current try; a retry by hand has one of its own."""
    if payment.refund_of:
        first = f"refund-{payment.step_id}"
    else:
        first = f"step-{payment.step_id}" if payment.step_id else f"checkout-{payment.id}"
    return f"{first}-retry-{payment.retries}" if payment.retries else first


def client_of(settings: Settings) -> stripe.StripeClient | None:
    """Stripe's client, which is to be closed by `close`; None when the rail is simulated."""
    if settings.stripe_api_key is None:
        return None
    return stripe.StripeClient(
        settings.stripe_api_key.get_secret_value(),
        base_addresses={"api": settings.stripe_api_base},
        http_client=stripe.HTTPXClient(timeout=CALL_S),
        max_network_retries=0,
    )


async def close(client: stripe.StripeClient) -> None:
    """Close the client's connections."""
    http = client._requestor._client  # noqa: SLF001  (the library offers no other way)
    if http is not None:
        await http.close_async()  # type: ignore[no-untyped-call]  # the library has no types here


async def charge(client: stripe.StripeClient, settings: Settings, payment: Any) -> Outcome:
    """Charge the stored card for what an agent bought.

    Args:
        client: from `client_of`.
        settings: which card, which currency.
        payment: its row.
    """
    key = key_of(payment)
    params: PaymentIntentCreateParams = {
        "amount": in_cents(payment.amount),
        "currency": settings.stripe_currency,
        "confirm": True,
        "off_session": True,
        "payment_method": settings.stripe_payment_method,
        # Nobody is there to be sent to another page.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "description": f"{payment.vendor}, bought by {payment.agent_id}"[:NOTE_LENGTH],
        "metadata": {
            "payment_id": payment.id,
            "task_id": payment.task_id or "",
            "step_id": payment.step_id or "",
            "key": key,
        },
    }
    if settings.stripe_customer:
        params["customer"] = settings.stripe_customer
    try:
        async with asyncio.timeout(CALL_S):
            intent = await client.v1.payment_intents.create_async(params, {"idempotency_key": key})
    except TimeoutError:
        return Outcome("again", note="Stripe did not answer in time.")
    except stripe.StripeError as error:
        return _outcome_of(error)
    if intent.status == "succeeded":
        return Outcome("completed", intent.id)
    if intent.status in {"canceled", "requires_payment_method"}:
        return Outcome("failed", intent.id, f"Stripe ended the payment as {intent.status}.")
    return Outcome("waiting", intent.id, f"Stripe answered {intent.status}; its webhook decides.")


async def refund(client: stripe.StripeClient, payment: Any, intent_id: str) -> Outcome:
    """Give back to the card what a purchase took from it, in full.

    However late it is asked again, a charge is not refunded twice: Stripe says that it was.

    Args:
        client: from `client_of`.
        payment: the refund's row.
        intent_id: Stripe's id of the purchase.
    """
    key = key_of(payment)
    params: RefundCreateParams = {
        "payment_intent": intent_id,
        "amount": in_cents(payment.amount),
        "metadata": {
            "payment_id": payment.id,
            "task_id": payment.task_id or "",
            "step_id": payment.step_id or "",
            "key": key,
        },
    }
    try:
        async with asyncio.timeout(CALL_S):
            made = await client.v1.refunds.create_async(params, {"idempotency_key": key})
    except TimeoutError:
        return Outcome("again", note="Stripe did not answer in time.")
    except stripe.StripeError as error:
        if error.code == "charge_already_refunded":
            return Outcome("completed", note="Stripe says that it was refunded before.")
        return _outcome_of(error)
    if made.status == "succeeded":
        return Outcome("completed", made.id)
    if made.status in REFUND_FAILED:
        return Outcome("failed", made.id, refund_note(made.failure_reason))
    return Outcome("waiting", made.id, f"Stripe answered {made.status}; its webhook decides.")


def refund_note(reason: str | None) -> str:
    """Why a refund did not reach the card, as a sentence."""
    return f"The refund did not reach the card ({reason or 'no reason given'})."[:NOTE_LENGTH]


def _outcome_of(error: stripe.StripeError) -> Outcome:
    if passing := _passing(error):
        return Outcome("again", note=passing)
    if isinstance(error, stripe.IdempotencyError):
        # Asked before with other settings, and the answer to that was lost.
        return Outcome("failed", note=UNKNOWN)
    intent = getattr(error.error, "payment_intent", None) if error.error else None
    return Outcome("failed", intent["id"] if intent else None, _sentence(error))


def _passing(error: stripe.StripeError) -> str | None:
    """Why another attempt may succeed; None when it would fail the same way."""
    status = error.http_status
    if isinstance(error, (stripe.AuthenticationError, stripe.PermissionError)):
        return "Stripe refuses the API key."  # Its own sentence repeats a part of the key.
    if status is None:
        return "Stripe cannot be reached."
    if status in {TOO_MANY, IN_USE}:
        return "Stripe is busy with too many requests."
    return "Stripe has an error of its own." if status >= BROKEN else None


def _sentence(error: stripe.StripeError) -> str:
    reason = getattr(error.error, "decline_code", None) or error.code if error.error else None
    text = error.user_message or "Stripe refused the payment."
    return (f"{text} ({reason})" if reason else text)[:NOTE_LENGTH]


async def open_checkout(
    client: stripe.StripeClient, settings: Settings, payment_id: str, amount: Decimal
) -> tuple[str, str]:
    """Open a page where `amount` is paid by card.

    Returns:
        Stripe's id of the checkout session, and the page's address.

    Raises:
        CheckoutRefused: there is none.
    """
    params: SessionCreateParams = {
        "mode": "payment",
        "client_reference_id": payment_id,
        "success_url": settings.checkout_success_url,
        "cancel_url": settings.checkout_cancel_url,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": settings.stripe_currency,
                    "unit_amount": in_cents(amount),
                    "product_data": {"name": "BazaarBucks"},
                },
            }
        ],
        "metadata": {"payment_id": payment_id},
    }
    try:
        async with asyncio.timeout(CALL_S):
            session = await client.v1.checkout.sessions.create_async(
                params, {"idempotency_key": f"checkout-{payment_id}"}
            )
    except TimeoutError:
        raise CheckoutRefused("Stripe did not answer in time.", passing=True) from None
    except stripe.StripeError as error:
        passing = _passing(error)
        raise CheckoutRefused(passing or _sentence(error), passing=bool(passing)) from None
    if not session.url:
        raise CheckoutRefused("Stripe opened no page to pay on.", passing=True)
    return session.id, session.url
