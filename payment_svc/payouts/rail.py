"""How a payout leaves: by a transfer to the seller's connected account at Stripe.

No database here, no call waits for ever. A payout is never paid twice: every try has the key of the
payout's row, and one that is not the first asks first what there is.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import stripe

from payment_svc.cards.rail import CALL_S, NOTE_LENGTH, SLOW, in_cents, is_replay, passing, sentence
from payment_svc.settings import Settings

if TYPE_CHECKING:
    from stripe.params import TransferCreateParams, TransferListParams

SPENT = "Stripe answers what it answered before; it is asked with another key."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt.

    Attributes:
        end: `again` when it has to be attempted again; it may have been paid then.
        transfer: Stripe's id of it.
        note: why, as a sentence.
        key_spent: another attempt with this key can only be told the same again.
    """

    end: Literal["paid", "failed", "again"]
    transfer: str | None = None
    note: str | None = None
    key_spent: bool = False


def key_of(payout: Any) -> str:
    """The idempotency key of a payout's current try."""
    first = f"payout-{payout.id}"
    return f"{first}-retry-{payout.retries}" if payout.retries else first


def group_of(payout: Any) -> str:
    """What all transfers of a payout are found by; there is one at most."""
    return f"payout-{payout.id}"


async def pay(client: stripe.StripeClient, settings: Settings, payout: Any) -> Outcome:
    """Transfer a payout to where its seller is paid.

    Args:
        client: from `payment_svc.cards.rail.client_of`.
        settings: in which currency.
        payout: its row.
    """
    try:
        async with asyncio.timeout(CALL_S * 2):
            if payout.attempts > 1:
                made = await _made_before(client, payout)
                if made is not None:
                    return Outcome("paid", made)
            return await _transfer(client, settings, payout)
    except TimeoutError:
        return Outcome("again", note=SLOW)
    except stripe.IdempotencyError:
        return Outcome("again", note=SPENT, key_spent=True)
    except stripe.StripeError as error:
        if why := passing(error):
            return Outcome("again", note=why, key_spent=is_replay(error))
        return Outcome("failed", note=sentence(error))


async def _transfer(client: stripe.StripeClient, settings: Settings, payout: Any) -> Outcome:
    key = key_of(payout)
    params: TransferCreateParams = {
        "amount": in_cents(payout.amount),
        "currency": settings.stripe_currency,
        "destination": payout.destination,
        "transfer_group": group_of(payout),
        "description": f"Earnings of {payout.owner}"[:NOTE_LENGTH],
        "metadata": {"payout_id": payout.id, "key": key},
    }
    made = await client.v1.transfers.create_async(params, {"idempotency_key": key})
    return Outcome("paid", made.id)


async def _made_before(client: stripe.StripeClient, payout: Any) -> str | None:
    """Stripe's id of what an earlier try came to after all; None when there is nothing."""
    params: TransferListParams = {"limit": 1, "transfer_group": group_of(payout)}
    page = await client.v1.transfers.list_async(params)
    return page.data[0].id if page.data else None
