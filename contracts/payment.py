"""Messages of the payment service: holds, captures, and the two kinds of payment records."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from contracts.base import IN_DIGITS, Call, Event, Id, Model, Moment, Money, Page, TaskEvent

BazaarBucksType = Literal["agent_payment", "platform_fee", "refund"]
StripeStatus = Literal["pending", "completed", "failed"]
StripeType = Literal["card_spend", "balance_load"]
Rail = Literal["simulated", "stripe"]


class BazaarBucksPaymentView(Model):
    """A payment between accounts of the marketplace, in BazaarBucks."""

    id: Id
    task_id: Id
    agent_id: Id
    amount: Money
    type: BazaarBucksType
    created_at: Moment


class StripePaymentView(Model):
    """A payment by card, in BazaarBucks' dollar value; `rail` says whether it was simulated.

    A refund of a purchase is a `balance_load` of its own: what was paid for it is in the wallet
    again. Its status is that of the refund to the card.

    Attributes:
        note: why it failed or still waits, or why nothing was charged, as a sentence.
        refund_of: the purchase that is given back; None for what is no refund.
    """

    id: Id
    agent_id: str
    vendor: str
    amount: Money
    status: StripeStatus
    type: StripeType
    created_at: Moment
    rail: Rail = "simulated"
    note: str | None = None
    refund_of: Id | None = None


class PlaceHold(Model):
    """Sets money aside for a step before its agent is called.

    The same step id again is answered the same; with another body it is a `Conflict`. The budget
    does not count there: it is the task's, and may have grown between a request and its repeat.

    Raises (over the bus): `PaymentRequired` when the task's budget or the wallet is too small.

    Attributes:
        hold_id: the step's id.
        amount: BazaarBucks to set aside.
        max_budget: the task's budget; held and captured together never exceed it. It can grow
            from hold to hold, never shrink.
        replaces: a step of the same task that came to nothing; what is still held for it is
            released first.
        list_price: what the agent cost before `amount` was agreed on with it; None when nothing
            was negotiated.
        quoted: BazaarBucks that the step was promised to cost; never more than `tolerance` times
            that is paid. None when nothing was promised.
        tolerance: see there; 1 when None.
    """

    hold_id: Id
    task_id: Id
    agent_id: Id
    amount: Money
    max_budget: Money
    replaces: Id | None = None
    list_price: Money | None = None
    quoted: Money | None = None
    tolerance: Annotated[Decimal, IN_DIGITS] | None = Field(
        default=None, ge=1, le=10, max_digits=4, decimal_places=2
    )


class ExtendHold(Model):
    """Asks for a hold to be raised to `amount`, as far as the budget and the wallet allow."""

    hold_id: Id
    amount: Money


class HoldReply(Model):
    """What is set aside for the step now, in BazaarBucks."""

    hold_id: Id
    held: Money


class GetTaskAccount(Model):
    """Asks what a task holds and has paid."""

    task_id: Id


class TaskAccount(Model):
    """Sums of a task, in BazaarBucks; all zero for a task without holds."""

    task_id: Id
    held: Money
    captured: Money


class ListBazaarBucks(Page):
    """Asks for BazaarBucks payments, newest first."""


class BazaarBucksList(Model):
    """A page of BazaarBucks payments."""

    payments: list[BazaarBucksPaymentView]
    next_cursor: str | None = None


class ListStripe(Page):
    """Asks for card payments, newest first."""


class StripeList(Model):
    """A page of card payments."""

    payments: list[StripePaymentView]
    next_cursor: str | None = None


class HoldPlaced(TaskEvent):
    """Money was set aside for a step."""

    type = "hold.placed"
    hold_id: Id
    agent_id: Id
    amount: Money


class HoldDeclined(TaskEvent):
    """A hold was refused: the budget, the wallet or the credential's limits do not cover it.

    Attributes:
        spender: the credential whose limits, which are a budget of its own, refused it.
    """

    type = "hold.declined"
    hold_id: Id
    agent_id: Id
    amount: Money
    reason: Literal["budget_exceeded", "wallet_exhausted"]
    spender: Id | None = None


class HoldExtended(TaskEvent):
    """A hold was raised, because the agent billed more; `amount` is what is held now."""

    type = "hold.extended"
    hold_id: Id
    agent_id: Id
    amount: Money


class HoldReleased(TaskEvent):
    """What was set aside went back, because the step failed."""

    type = "hold.released"
    hold_id: Id
    amount: Money


class HoldOvercharged(TaskEvent):
    """An agent billed more than its hold could be extended to; the rest was refused."""

    type = "hold.overcharged"
    hold_id: Id
    agent_id: Id
    billed: Money
    paid: Money


class PaymentRecorded(TaskEvent):
    """A step was paid for, or was free: what was held for it is settled.

    Attributes:
        payment_id: the agent's payment; the purchase by card when only that was paid; the step's
            id when nothing was, as there is no record then.
        amount: BazaarBucks for the agent's work.
        external_amount: BazaarBucks for what it bought by card.
    """

    type = "payment.recorded"
    payment_id: Id
    step_id: Id
    agent_id: Id
    amount: Money
    external_amount: Money


class StripePaymentUpdated(Event):
    """A card payment came into being or changed its status."""

    type = "stripe_payment.updated"
    payment_id: Id
    task_id: Id | None = None
    agent_id: str
    vendor: str
    amount: Money
    status: StripeStatus
    payment_type: StripeType
    rail: Rail
    note: str | None = None
    refund_of: Id | None = None

    def entity_id(self) -> str:
        """The task's id where there is one, else the payment's."""
        return self.task_id or self.payment_id


class WalletCredited(Event):
    """Money came into a wallet from outside."""

    type = "wallet.credited"
    account: Id
    amount: Money
    reason: Literal["grant", "top_up", "refund"]

    def entity_id(self) -> str:
        """The account."""
        return self.account


PLACE_HOLD = Call("payment", "place_hold", PlaceHold, HoldReply)
EXTEND_HOLD = Call("payment", "extend_hold", ExtendHold, HoldReply)
GET_TASK_ACCOUNT = Call("payment", "get_task_account", GetTaskAccount, TaskAccount)
LIST_BAZAARBUCKS = Call("payment", "list_bazaarbucks", ListBazaarBucks, BazaarBucksList)
LIST_STRIPE = Call("payment", "list_stripe", ListStripe, StripeList)
