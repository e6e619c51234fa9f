"""Messages of the seller's side: what agents earned for who listed them, and how that is paid."""

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from contracts.base import Call, Event, Id, Model, Moment, Money, Page
from contracts.cards import Cents
from contracts.ledger import Sum
from contracts.payment import Rail

PayoutStatus = Literal["pending", "paid", "failed"]
Onboarding = Literal["none", "unknown", "incomplete", "complete"]
"""How far an account is with being paid by Stripe."""
_STRIPE_ACCOUNT = r"^acct_[A-Za-z0-9]{4,}$"


def _of_stripe(said: object) -> object:
    if isinstance(said, str) and re.search(_STRIPE_ACCOUNT, said) is None:
        raise ValueError("a connected account at Stripe is acct_ with letters and digits")
    return said


StripeAccount = Annotated[
    str, Field(max_length=64, pattern=_STRIPE_ACCOUNT), BeforeValidator(_of_stripe)
]
"""The id of a connected account at Stripe."""


class GetSeller(Model):
    """Asks for what the account has to get for the work of its agents."""


class SellerView(Model):
    """What an account has earned by its agents, in BazaarBucks.

    Attributes:
        waiting: earned, and not to be paid out yet: a payer may still have it back.
        available: can be paid out now.
        owed: was given back to payers after it had been paid out; what comes next pays it first.
        pending: in payouts that are under way.
        paid: was paid out.
        rail: how it is paid out.
        destination: the connected account at Stripe that it goes to; None when none was named.
        onboarding: `none` without an account at Stripe, `unknown` until Stripe was asked about it,
            `incomplete` while it is not paid to, else `complete`.
        needs: what Stripe wants to know before it pays, in its own words.
    """

    account: Id
    waiting: Sum
    available: Sum
    owed: Sum
    pending: Sum
    paid: Sum
    rail: Rail
    destination: StripeAccount | None = None
    onboarding: Onboarding = "none"
    needs: list[str] = Field(default_factory=list)


class OpenOnboarding(Model):
    """Asks for a page at Stripe where the account says who it is and where its bank is.

    Raises (over the bus): `Conflict` when payouts are simulated, `Invalid` when Stripe refuses it,
    `Unavailable` when Stripe is away; nothing was changed then.
    """


class OnboardingLink(Model):
    """The page, which is good for a few minutes and for one visit.

    Attributes:
        destination: the account at Stripe that it is about.
    """

    url: str
    expires_at: Moment
    destination: StripeAccount


class SetDestination(Model):
    """Says where the account is paid: a connected account at Stripe."""

    destination: StripeAccount


class ListEarnings(Page):
    """Asks what the account's agents earned, by day and agent, newest first.

    Attributes:
        agent_id: of this agent alone.
        since: the first day, in UTC.
        until: the last day.
    """

    agent_id: Id | None = None
    since: date | None = None
    until: date | None = None


class EarningsLine(Model):
    """What an agent earned on a day of UTC, for who owned it when it was paid; in BazaarBucks.

    What was given back counts on the day of the payment: charged less fees less refunded is earned.

    Attributes:
        jobs: calls that were paid for.
        faults: calls that came to nothing by the agent's own fault.
        charged: what payers paid for the work.
        fees: what the platform kept of that.
        refunded: what payers got back.
        earned: what is the seller's.
    """

    agent_id: Id
    day: date
    jobs: int = Field(ge=0)
    faults: int = Field(ge=0)
    charged: Sum
    fees: Sum
    refunded: Sum
    earned: Sum


class EarningsList(Model):
    """A page of earnings."""

    lines: list[EarningsLine]
    next_cursor: str | None = None


class RequestPayout(Model):
    """Asks for what was earned.

    Raises (over the bus): `Conflict` when less is available, the least is not reached, nobody said
    where to, or the id was used for another amount.

    Attributes:
        payout_id: chosen by the caller; the same id again answers the same.
        amount: BazaarBucks; all that is available when None.
    """

    payout_id: Id
    amount: Cents | None = None


class PayoutView(Model):
    """A payout to a seller.

    Attributes:
        transfer: Stripe's id of it, when it was paid there.
        note: why it failed or still waits, as a sentence.
    """

    id: Id
    amount: Money
    status: PayoutStatus
    rail: Rail
    destination: str | None = None
    transfer: str | None = None
    note: str | None = None
    created_at: Moment
    ended_at: Moment | None = None


class PayoutReply(Model):
    """One payout."""

    payout: PayoutView


class ListPayouts(Page):
    """Asks for the account's payouts, newest first."""


class PayoutList(Model):
    """A page of payouts."""

    payouts: list[PayoutView]
    next_cursor: str | None = None


class PayoutRequested(Event):
    """A seller's earnings are on their way out."""

    type = "payout.requested"
    payout_id: Id
    amount: Money
    rail: Rail

    def entity_id(self) -> str:
        """The payout's id."""
        return self.payout_id


class PayoutPaid(PayoutRequested):
    """A payout was paid."""

    type = "payout.paid"
    transfer: str | None = None


class PayoutFailed(PayoutRequested):
    """A payout was refused for good; its amount is available again."""

    type = "payout.failed"
    note: str = ""


GET_SELLER = Call("payment", "get_seller", GetSeller, SellerView)
OPEN_ONBOARDING = Call(
    "payment", "open_onboarding", OpenOnboarding, OnboardingLink, timeout_ms=25_000
)
SET_DESTINATION = Call("payment", "set_destination", SetDestination, SellerView)
LIST_EARNINGS = Call("payment", "list_earnings", ListEarnings, EarningsList)
REQUEST_PAYOUT = Call("payment", "request_payout", RequestPayout, PayoutReply)
LIST_PAYOUTS = Call("payment", "list_payouts", ListPayouts, PayoutList)
