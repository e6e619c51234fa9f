"""Sellers' accounts at Stripe (Connect): made, onboarded by a page of Stripe's, and looked at.

No database here, no call waits for ever. The marketplace learns whether Stripe pays a seller, and
what it still wants to know; who that is and where the bank is, Stripe alone is told.
"""

import asyncio
import hashlib
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import stripe

from chassis.bus.envelopes import new_id
from payment_svc.cards.rail import CALL_S, SLOW, passing, sentence

if TYPE_CHECKING:
    from stripe.params import AccountCreateParams, AccountLinkCreateParams

GotT = TypeVar("GotT")
MOST_NEEDS = 20
NOT_OURS = frozenset({"account_invalid", "resource_missing"})
"""Stripe's words for an account that is nobody's, or has nothing to do with this platform."""
STRANGE = "no account of this marketplace at Stripe"


class ConnectRefused(Exception):
    """Stripe did not do it.

    Attributes:
        note: why, as a sentence.
        passing: whether later may be better.
        code: Stripe's word for it, if it has one.
    """

    def __init__(self, note: str, *, passing: bool, code: str | None = None) -> None:
        """Keep the sentence for whoever asked."""
        super().__init__(note)
        self.note = note
        self.passing = passing
        self.code = code


@dataclass(frozen=True, slots=True)
class Standing:
    """What Stripe says of an account.

    Attributes:
        payable: whether a payout reaches it, and its bank.
        needs: what Stripe wants before it does, in its own words.
    """

    payable: bool
    needs: tuple[str, ...] = ()


async def make_account(client: stripe.StripeClient, seller: str) -> str:
    """A connected account for a seller; its id. Asked again within a day, it is the same.

    Raises:
        ConnectRefused: there is none.
    """
    params: AccountCreateParams = {
        "controller": {
            "fees": {"payer": "application"},
            "losses": {"payments": "application"},
            "stripe_dashboard": {"type": "express"},
        },
        "capabilities": {"transfers": {"requested": True}},
        "metadata": {"account": seller},
    }
    key = f"seller-{hashlib.sha256(seller.encode()).hexdigest()[:32]}"
    return (await _asked(client.v1.accounts.create_async(params, {"idempotency_key": key}))).id


async def open_page(
    client: stripe.StripeClient, destination: str, back_to: str
) -> tuple[str, datetime]:
    """The page where a seller is onboarded, and until when it can be opened, once.

    Raises:
        ConnectRefused: there is none.
    """
    params: AccountLinkCreateParams = {
        "account": destination,
        "type": "account_onboarding",
        "refresh_url": back_to,
        "return_url": back_to,
    }
    asked = client.v1.account_links.create_async(params, {"idempotency_key": new_id()})
    link = await _asked(asked)
    return link.url, datetime.fromtimestamp(link.expires_at, UTC)


async def look(client: stripe.StripeClient, destination: str) -> Standing:
    """Whether Stripe pays a seller now.

    Raises:
        ConnectRefused: it does not say.
    """
    try:
        account = await _asked(client.v1.accounts.retrieve_async(destination))
    except ConnectRefused as refused:
        if refused.code in NOT_OURS:
            return Standing(payable=False, needs=(STRANGE,))
        raise
    transfers = account.capabilities.transfers if account.capabilities else None
    payable = transfers == "active" and bool(account.payouts_enabled)
    wanted = account.requirements.currently_due if account.requirements else None
    return Standing(payable, () if payable else tuple(wanted or ())[:MOST_NEEDS])


async def _asked(asked: Awaitable[GotT]) -> GotT:
    try:
        async with asyncio.timeout(CALL_S):
            return await asked
    except TimeoutError:
        raise ConnectRefused(SLOW, passing=True) from None
    except stripe.StripeError as error:
        why = passing(error)
        # The library keeps the code of some kinds of errors only.
        code = getattr(error.error, "code", None)
        raise ConnectRefused(why or sentence(error), passing=why is not None, code=code) from None
