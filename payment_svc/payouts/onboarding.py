"""Where sellers are paid: an account at Stripe, a page to onboard it, and whether it is paid to.

What Stripe's webhook tells of an account is no more than that it is to be asked again: its events
come late and in any order, its answer is as of now. Where the webhook tells nothing, it is asked
every `CARD_LOOK_S` while somebody is being onboarded, and once a day after that.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from stripe import StripeClient

from chassis.bus.envelopes import origin
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.errors import Conflict, Invalid, Unavailable
from contracts.selling import OnboardingLink, OpenOnboarding
from contracts.topology import DAY_S
from payment_svc.payouts import connect, store, store_onboarding
from payment_svc.settings import Settings

log = structlog.get_logger()
SIMULATED = "Payouts are simulated here: nobody has to be onboarded."
TOLD = frozenset({"account.updated", "account.application.deauthorized"})
"""Events of Stripe that say that an account is not as it was."""


async def open_onboarding(
    _request: OpenOnboarding,
    here: Envelope,
    db: Database,
    client: StripeClient | None,
    settings: Settings,
) -> OnboardingLink:
    """A page where the seller is onboarded, of an account that is made if there is none.

    Raises:
        Conflict: payouts are simulated.
        Invalid: Stripe refuses it.
        Unavailable: Stripe is away.
    """
    if client is None:
        raise Conflict(SIMULATED)
    async with db.transaction(here) as tx:
        known = await store.seller(tx.conn, here.account)
    destination = known.destination if known else None
    try:
        if destination is None:
            made = await connect.make_account(client, here.account)
            async with db.transaction(here) as tx:
                every_s = settings.payout_every_s or 0
                destination = await store_onboarding.set_destination(
                    tx.conn, here.account, made, every_s, keep=True
                )
        url, until = await connect.open_page(client, destination, settings.onboarding_url)
    except connect.ConnectRefused as refused:
        raise (Unavailable if refused.passing else Invalid)(refused.note) from None
    return OnboardingLink(url=url, expires_at=until, destination=destination)


async def on_told(tx: Transaction, type_: str, body: Mapping[str, Any]) -> str | None:
    """Have Stripe asked about the account of an event; in words, None for another event."""
    if type_ not in TOLD:
        return None
    # An application that is let go is the event's thing; the account is beside it.
    account = body.get("account") or body["data"]["object"].get("id")
    many = await store_onboarding.look_soon(tx.conn, str(account))
    return "Stripe is asked about the seller" if many else "not about a seller of ours"


async def look_due(db: Database, client: StripeClient, settings: Settings) -> None:
    """Ask Stripe about every seller whose turn it is, some at a time."""
    while True:
        async with db.transaction(at_once=True) as tx:
            due = await store_onboarding.claim_looks(tx.conn, settings.card_lease_s)
        if not due:
            return
        await asyncio.gather(*(_look(db, client, settings, seller) for seller in due))


async def _look(
    db: Database, client: StripeClient, settings: Settings, seller: store_onboarding.Found
) -> None:
    try:
        found = await connect.look(client, seller.destination)
    except connect.ConnectRefused as refused:
        log.warning("Stripe says nothing of a seller", account=seller.account, why=refused.note)
        return  # It is asked again when the lease is over.
    again_s = DAY_S if found.payable else settings.card_look_s
    async with db.transaction(origin("payment", "seller.look", seller.account)) as tx:
        if await store_onboarding.seen(
            tx.conn, seller, payable=found.payable, needs=found.needs, again_s=again_s
        ):
            tx.touches(seller.account)


def refusal(known: store.Found | None) -> str | None:
    """Why a seller is not paid by Stripe now; None when nothing is known that is against it."""
    if known is None or known.destination is None:
        return (
            "Say first where you are paid: POST /api/seller/onboarding makes a page at Stripe for"
            " it, PUT /api/seller/destination names an account that you have."
        )
    if known.payable is False:
        wants = f" It wants: {', '.join(known.needs)}." if known.needs else ""
        return f"Stripe does not pay you yet.{wants} POST /api/seller/onboarding makes a page."
    return None
