"""Refunds of purchases at Stripe: what went back already is asked first, so that no more does."""

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import stripe

from payment_svc.cards.rail import (
    CALL_S,
    NOTE_LENGTH,
    REFUNDED_BEFORE,
    SLOW,
    Outcome,
    attempted,
    in_cents,
    key_of,
    outcome_of,
    payment_of,
    seen,
)

if TYPE_CHECKING:
    from stripe.params import RefundCreateParams

FAILED = frozenset({"failed", "canceled"})
"""Stripe's words for a refund that came to nothing."""


def failure_note(reason: str | None) -> str:
    """Why a refund did not reach the card, as a sentence."""
    return f"The refund did not reach the card ({reason or 'no reason given'})."[:NOTE_LENGTH]


def key_for(payment: Any, cents: int) -> str:
    """The idempotency key of a refund's current try for so much; less than all has its own."""
    key = key_of(payment)
    return key if cents == in_cents(payment.amount) else f"{key}-rest-{cents}"


async def refund(
    client: stripe.StripeClient, payment: Any, intent_id: str, charged: Decimal
) -> Outcome:
    """Give back to the card what a purchase took from it, as far as that has not gone back.

    Args:
        client: from `cards.client_of`.
        payment: the refund's row; its amount is the purchase's.
        intent_id: Stripe's id of the charge.
        charged: BazaarBucks that it took, for this purchase and those that were charged with it.
    """
    try:
        async with asyncio.timeout(CALL_S * 3):
            page = await client.v1.refunds.list_async({"payment_intent": intent_id, "limit": 100})
            made = [one async for one in page.auto_paging_iter() if one.status not in FAILED]
    except TimeoutError:
        return Outcome("again", note=SLOW)
    except stripe.StripeError as error:
        return outcome_of(error)
    for one in made:
        if payment_of(one) == payment.id:
            return _of_refund(one)
    left = in_cents(charged) - sum(one.amount for one in made)
    if left <= 0:
        return Outcome("completed", note=REFUNDED_BEFORE)
    return await _create(client, payment, intent_id, min(left, in_cents(payment.amount)))


async def _create(client: stripe.StripeClient, payment: Any, intent_id: str, cents: int) -> Outcome:
    key = key_for(payment, cents)
    params: RefundCreateParams = {
        "payment_intent": intent_id,
        "amount": cents,
        "metadata": {
            "payment_id": payment.id,
            "task_id": payment.task_id or "",
            "step_id": payment.step_id or "",
            "key": key,
        },
    }
    return await attempted(
        client.v1.refunds.create_async(params, {"idempotency_key": key}), _of_refund
    )


async def look(client: stripe.StripeClient, refund_id: str) -> Outcome:
    """What became of a refund that was on its way; a webhook may have told nobody."""
    return await seen(client.v1.refunds.retrieve_async(refund_id), _of_refund)


def _of_refund(made: stripe.Refund) -> Outcome:
    if made.status == "succeeded":
        return Outcome("completed", made.id)
    if made.status in FAILED:
        return Outcome("failed", made.id, failure_note(made.failure_reason))
    return Outcome("waiting", made.id, f"Stripe answered {made.status}; its webhook decides.")
