"""Stripe's pages where a wallet is topped up: opened, and looked at again."""

import asyncio
from typing import TYPE_CHECKING, Any

import stripe
import structlog

from payment_svc.cards.rail import CALL_S, SLOW, in_cents, is_replay, key_of, passing, sentence
from payment_svc.settings import Settings

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParams


log = structlog.get_logger()


class CheckoutRefused(Exception):
    """No checkout page could be opened.

    Attributes:
        note: why, as a sentence.
        passing: whether later may be better.
        key_spent: with the same key Stripe can only say the same again.
    """

    def __init__(self, note: str, *, passing: bool, key_spent: bool = False) -> None:
        """Keep the sentence for whoever asked."""
        super().__init__(note)
        self.note = note
        self.passing = passing
        self.key_spent = key_spent


async def open_page(
    client: stripe.StripeClient, settings: Settings, payment: Any
) -> tuple[str, str]:
    """Open a page where a top-up is paid by card.

    Args:
        client: from `cards.client_of`.
        settings: which currency, and where Stripe sends people afterwards.
        payment: its row.

    Returns:
        Stripe's id of the checkout session, and the page's address.

    Raises:
        CheckoutRefused: there is none.
    """
    ours = {"payment_id": payment.id}
    params: SessionCreateParams = {
        "mode": "payment",
        "client_reference_id": payment.id,
        "success_url": settings.checkout_success_url,
        "cancel_url": settings.checkout_cancel_url,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": settings.stripe_currency,
                    "unit_amount": in_cents(payment.amount),
                    "product_data": {"name": "BazaarBucks"},
                },
            }
        ],
        "metadata": ours,
        # So that the charge has it too: refunds and disputes tell of nothing else.
        "payment_intent_data": {"metadata": ours},
    }
    try:
        async with asyncio.timeout(CALL_S):
            session = await client.v1.checkout.sessions.create_async(
                params, {"idempotency_key": key_of(payment)}
            )
    except TimeoutError:
        raise CheckoutRefused(SLOW, passing=True) from None
    except stripe.StripeError as error:
        why = passing(error)
        raise CheckoutRefused(
            why or sentence(error), passing=bool(why), key_spent=is_replay(error)
        ) from None
    if not session.url:
        raise CheckoutRefused("Stripe opened no page to pay on.", passing=True)
    return session.id, session.url


async def look(client: stripe.StripeClient, session_id: str) -> dict[str, Any] | None:
    """A page as it stands now, in the form in which events tell of it; None if it is not known."""
    try:
        async with asyncio.timeout(CALL_S):
            session = await client.v1.checkout.sessions.retrieve_async(session_id)
    except TimeoutError:
        return None
    except stripe.StripeError as error:
        log.warning("Stripe told nothing of a page", session_id=session_id, why=sentence(error))
        return None
    return dict(session.to_dict())
