"""Messages about real card payments: topping up, trying again, and what Stripe tells us."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from contracts.base import IN_DIGITS, NO_MINUS_ZERO, PLAIN, Call, Id, Model
from contracts.payment import StripePaymentView

MOST_BY_CARD = Decimal("999999.99")
"""The largest amount that Stripe takes at once, in dollars."""
CENT = Decimal("0.01")
MOST_WEBHOOK_TEXT = 1_500_000
"""Characters of a webhook's body in base64; the gateway takes at most 1 MiB of bytes."""


Cents = Annotated[
    Decimal,
    Field(gt=0, le=MOST_BY_CARD, max_digits=20, decimal_places=2),
    PLAIN,
    NO_MINUS_ZERO,
    IN_DIGITS,
]
"""An amount in BazaarBucks that a card can be charged exactly: two decimals, more than nothing."""


class OpenCheckout(Model):
    """Asks for a page where the account's owner tops the wallet up by card.

    Raises (over the bus): `Conflict` without the real rail, or when the id was used for something
    else, `Invalid` when Stripe refuses the amount, `Unavailable` when Stripe cannot be reached.

    Attributes:
        amount: BazaarBucks; the card is charged the same number of dollars.
        payment_id: chosen by the caller; the same id again is the same page. Without one, each
            request opens another.
    """

    amount: Cents
    payment_id: Id | None = None


class Checkout(Model):
    """Where to pay; the wallet is credited once Stripe says that it was paid.

    Attributes:
        id: the payment's id, as the list of card payments shows it.
        url: the page, at Stripe.
    """

    id: Id
    url: str


class RetryCard(Model):
    """Tries a failed purchase by card again; `Conflict` when it did not fail."""

    payment_id: Id


class RefundCard(Model):
    """Gives back what an agent bought by card, to the wallet and to the card, in full.

    Raises (over the bus): `NotFound`, `Invalid` when it is no purchase, `Conflict` when it was
    given back before or the refund's id was used for something else.

    Attributes:
        payment_id: a `card_spend`.
        refund_id: chosen by the caller; the same id again answers the same.
    """

    payment_id: Id
    refund_id: Id


class CardReply(Model):
    """A card payment as it stands now."""

    payment: StripePaymentView


class TakeWebhook(Model):
    """What was posted to the webhook, untouched.

    Raises (over the bus): `Unavailable` when no secret is set to check it with.

    Attributes:
        payload: the raw body's bytes in base64: the signature is of exactly these.
        signature: the header Stripe-Signature; empty when there was none.
    """

    payload: str = Field(max_length=MOST_WEBHOOK_TEXT)
    signature: str = Field(default="", max_length=4_000)


class WebhookTaken(Model):
    """Whether the event was stored, now or before.

    Attributes:
        refused: why not, as a sentence; None when it was.
    """

    refused: str | None = None


OPEN_CHECKOUT = Call("payment", "open_checkout", OpenCheckout, Checkout, timeout_ms=15_000)
RETRY_CARD = Call("payment", "retry_card", RetryCard, CardReply)
REFUND_CARD = Call("payment", "refund_card", RefundCard, CardReply)
TAKE_WEBHOOK = Call("payment", "take_webhook", TakeWebhook, WebhookTaken)
