"""The real card rail: Stripe behind a few functions. No database here, no call waits for ever.

Every call carries an idempotency key that is the same for every attempt at the same payment, so
Stripe charges once however often it is asked.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import stripe
import structlog

from payment_svc.settings import Settings

if TYPE_CHECKING:
    from stripe.params import PaymentIntentCreateParams, PaymentIntentListParams

log = structlog.get_logger()

CALL_S = 10.0
"""The longest that a call of Stripe may take, in seconds."""
NOTE_LENGTH = 500
TOO_MANY = 429
IN_USE = 409
BROKEN = 500
TOO_SMALL = "Too little for a charge of its own: it is charged with the next purchase."
SLOW = "Stripe did not answer in time."
REFUNDED_BEFORE = "Stripe says that it was refunded before."
UNKNOWN = "What came of it at Stripe is unknown: look there before you retry."

LOOKED_AT = 2_000
"""Payments at Stripe that are looked through for one that may be ours."""
LOOK_BACK_S = 300
"""How far its clock and ours may be apart, in seconds."""
NOT_CHARGED = frozenset({"canceled", "requires_payment_method"})
"""Stripe's words for a payment that took nothing and will not."""

MadeT = TypeVar("MadeT")
End = Literal["completed", "failed", "waiting", "again"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt to charge a card.

    Attributes:
        end: `waiting` for a webhook, `again` when it has to be attempted again.
        intent_id: Stripe's id of the payment, when there is one.
        note: why, as a sentence.
        key_spent: another attempt with this key can only be told the same again.
        too_small: nothing was charged, as Stripe takes no such small amount.
    """

    end: End
    intent_id: str | None = None
    note: str | None = None
    key_spent: bool = False
    too_small: bool = False


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


async def charge(
    client: stripe.StripeClient, settings: Settings, payment: Any, amount: Decimal
) -> Outcome:
    """Charge the stored card for what an agent bought.

    A try that is not the first has a key of its own, so it asks first what came of those before.

    Args:
        client: from `client_of`.
        settings: which card, which currency.
        payment: its row.
        amount: BazaarBucks, with those of smaller purchases that it carries.
    """
    if payment.retries:
        made = await _made_before(client, payment)
        if made is not None:
            return made
    key = key_of(payment)
    params: PaymentIntentCreateParams = {
        "amount": in_cents(amount),
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
    asked = client.v1.payment_intents.create_async(params, {"idempotency_key": key})
    return await attempted(asked, _of_intent)


async def look(client: stripe.StripeClient, intent_id: str) -> Outcome:
    """What became of a payment that Stripe was still at; a webhook may have told nobody."""
    return await seen(client.v1.payment_intents.retrieve_async(intent_id), _of_intent)


async def attempted(asked: Awaitable[MadeT], read: Callable[[MadeT], Outcome]) -> Outcome:
    """What came of having Stripe do something; `read` says it of Stripe's answer."""
    try:
        async with asyncio.timeout(CALL_S):
            return read(await asked)
    except TimeoutError:
        return Outcome("again", note=SLOW)
    except stripe.StripeError as error:
        return outcome_of(error)


async def seen(asked: Awaitable[MadeT], read: Callable[[MadeT], Outcome]) -> Outcome:
    """The same of having it tell how something stands; without an answer that is not known."""
    try:
        async with asyncio.timeout(CALL_S):
            return read(await asked)
    except TimeoutError:
        return Outcome("waiting")
    except stripe.StripeError as error:
        log.warning("Stripe does not tell how a payment stands", why=sentence(error))
        return Outcome("waiting")


def _of_intent(intent: stripe.PaymentIntent) -> Outcome:
    if intent.status == "succeeded":
        return Outcome("completed", intent.id)
    if intent.status in NOT_CHARGED:
        return Outcome("failed", intent.id, f"Stripe ended the payment as {intent.status}.")
    return Outcome("waiting", intent.id, f"Stripe answered {intent.status}; its webhook decides.")


def payment_of(thing: stripe.PaymentIntent | stripe.Refund) -> str | None:
    """The payment of ours that something at Stripe was made for, as its metadata says."""
    metadata: dict[str, str] = thing.metadata.to_dict() if thing.metadata else {}
    return metadata.get("payment_id")


async def _made_before(client: stripe.StripeClient, payment: Any) -> Outcome | None:
    """What an earlier try came to after all; None when it took nothing and will not."""
    since = int(payment.created_at.timestamp()) - LOOK_BACK_S
    params: PaymentIntentListParams = {"limit": 100, "created": {"gte": since}}
    seen = 0
    try:
        async with asyncio.timeout(CALL_S * 3):
            page = await client.v1.payment_intents.list_async(params)
            async for intent in page.auto_paging_iter():
                seen += 1
                if seen > LOOKED_AT:
                    return Outcome("failed", note=UNKNOWN)
                if payment_of(intent) == payment.id and intent.status not in NOT_CHARGED:
                    return _of_intent(intent)
    except TimeoutError:
        return Outcome("again", note=SLOW)
    except stripe.StripeError as error:
        return outcome_of(error)
    return None


def outcome_of(error: stripe.StripeError) -> Outcome:
    """What an error means for the payment that was asked for."""
    if why := passing(error):
        return Outcome("again", note=why, key_spent=is_replay(error))
    if isinstance(error, stripe.IdempotencyError):
        # Asked before with other settings, and the answer to that was lost.
        return Outcome("failed", note=UNKNOWN)
    if error.code == "amount_too_small":
        return Outcome("completed", note=TOO_SMALL, too_small=True)
    if error.code == "charge_already_refunded":
        return Outcome("completed", note=REFUNDED_BEFORE)
    intent = getattr(error.error, "payment_intent", None) if error.error else None
    return Outcome("failed", intent["id"] if intent else None, sentence(error))


def is_replay(error: stripe.StripeError) -> bool:
    """Whether Stripe only repeated what it had answered to this key before, which it does a day."""
    headers = {str(name).lower(): value for name, value in (error.headers or {}).items()}
    return str(headers.get("idempotent-replayed")).lower() == "true"


def passing(error: stripe.StripeError) -> str | None:
    """Why another attempt may succeed; None when it would fail the same way."""
    status = error.http_status
    if isinstance(error, (stripe.AuthenticationError, stripe.PermissionError)):
        return "Stripe refuses the API key."  # Its own sentence repeats a part of the key.
    if status is None:
        return "Stripe cannot be reached."
    if status in {TOO_MANY, IN_USE}:
        return "Stripe is busy with too many requests."
    return "Stripe has an error of its own." if status >= BROKEN else None


def sentence(error: stripe.StripeError) -> str:
    """Stripe's own words for people."""
    reason = getattr(error.error, "decline_code", None) or error.code if error.error else None
    text = error.user_message or "Stripe refused the payment."
    return (f"{text} ({reason})" if reason else text)[:NOTE_LENGTH]
