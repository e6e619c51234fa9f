"""Messages about the books: wallets, statements, receipts, refunds, and the check of it all."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from contracts.base import (
    IN_DIGITS,
    MAX_AMOUNT,
    NO_MINUS_ZERO,
    PLAIN,
    Call,
    Id,
    Model,
    Moment,
    Money,
    Page,
    TaskEvent,
)
from contracts.payment import BazaarBucksPaymentView

Signed = Annotated[
    Decimal,
    Field(ge=-(10**12), le=10**12, max_digits=20, decimal_places=6),
    PLAIN,
    NO_MINUS_ZERO,
    IN_DIGITS,
]
"""An amount in BazaarBucks that may be negative: out of an account."""

Sum = Annotated[
    Decimal,
    Field(ge=0, le=10**12, max_digits=20, decimal_places=6),
    PLAIN,
    NO_MINUS_ZERO,
    IN_DIGITS,
]
"""BazaarBucks added up over many movements: more than a single amount may be."""

Paid = Annotated[
    Decimal,
    Field(gt=0, le=MAX_AMOUNT, max_digits=20, decimal_places=6),
    PLAIN,
    NO_MINUS_ZERO,
    IN_DIGITS,
]
"""An amount in BazaarBucks that is more than nothing."""


class GetWallet(Model):
    """Asks for the wallet of the account; `NotFound` when it has none."""


class OpenWallet(Model):
    """Opens the wallet of the account, for an operator; one that is open stays as it is.

    Attributes:
        grant: BazaarBucks that it is opened with; as the payment service is set when None.
    """

    grant: Money | None = None


class WalletView(Model):
    """A wallet, in BazaarBucks.

    Attributes:
        posted: what came in less what was paid, without what is owed.
        held: what is set aside for steps that are running.
        available: posted less held; never negative.
        owed: what is lacking because a top-up was refunded or disputed after it was spent; all
            that comes in pays this first, and meanwhile nothing is spent.
    """

    account: str
    posted: Sum
    held: Sum
    available: Sum
    owed: Sum = Decimal(0)


class ListEntries(Page):
    """Asks for the statement of a ledger account, newest first.

    Attributes:
        ledger_account: `wallet`, `agent:<id>`, `platform_fees` or `card_clearing`; only lines of
            the asking account's own transfers are shown. `hold:<task id>` is the journal of what
            was held for a task: `placed`, `extended`, `captured`, `released`.
    """

    ledger_account: str = Field(default="wallet", min_length=1, max_length=80)


class EntryView(Model):
    """A line of the ledger; positive comes into the account, negative leaves it."""

    id: int
    transfer_id: str
    ledger_account: str
    amount: Signed
    kind: str
    task_id: str | None = None
    step_id: str | None = None
    created_at: Moment


class EntryList(Model):
    """A page of a statement."""

    entries: list[EntryView]
    next_cursor: str | None = None


class CheckLedger(Model):
    """Asks whether the books add up.

    Attributes:
        full: read everything, however long that takes; otherwise what moved since the latest
            checkpoint, with the sums that were verified up to there.
    """

    full: bool = False


class Finding(Model):
    """A rule of the books, and how many rows break it."""

    rule: str
    broken: int = Field(ge=0)


class LedgerCheck(Model):
    """The result of the check: every rule with the number of rows that break it.

    Attributes:
        ok: no rule is broken in what was read.
        full: whether everything was read.
        checked: ledger lines that were read now, with all that belongs to their steps.
        verified: ledger lines before these, which an earlier check found right and which were not
            read again.
        pending: ledger lines after these, which nobody has checked yet.
    """

    ok: bool
    findings: list[Finding]
    full: bool = True
    checked: int = 0
    verified: int = 0
    pending: int = 0


class RefundPayment(Model):
    """Gives back what was paid for a step, in full or in part.

    Attributes:
        payment_id: an `agent_payment`.
        refund_id: chosen by the caller; the same id again answers the same.
        amount: BazaarBucks of the agent's pay; when None, all that is left of it and what the
            agent bought for the step as well.
    """

    payment_id: Id
    refund_id: Id
    amount: Paid | None = None


class PaymentReply(Model):
    """One payment in BazaarBucks."""

    payment: BazaarBucksPaymentView


class EnterPayment(Model):
    """Pays an agent by hand, for a task, without a call.

    Attributes:
        payment_id: chosen by the caller; the same id again answers the same.
        max_budget: the task's budget; it holds here too.
    """

    payment_id: Id
    task_id: Id
    agent_id: Id
    amount: Paid
    max_budget: Money


class GetReceipt(Model):
    """Asks what each step of a task cost."""

    task_id: Id


class ReceiptLine(Model):
    """A step on a receipt, in BazaarBucks.

    Attributes:
        quoted: what the step was promised to cost, purchases included; what the hold was first
            placed for, when nothing was promised.
        held: what is, or was, set aside for it.
        charged: what was paid for the agent's work, with the fee.
        fee: what the platform kept of that.
        refunded: what was given back, of the work and of what was bought.
        external: what was paid for what the agent bought outside.
        status: held, captured or released.
        list_price: what the agent cost before `quoted` was agreed on with it; None when nothing
            was negotiated.
        billed: what the agent asked for in all; None unless it was captured.
        paid: what of that was paid, `charged` and `external`; the rest was refused.
    """

    step_id: Id
    agent_id: Id
    quoted: Money
    held: Money
    charged: Money
    fee: Money
    refunded: Money
    external: Money
    status: str
    list_price: Money | None = None
    billed: Money | None = None
    paid: Money | None = None


class Receipt(Model):
    """The receipt of a task, in BazaarBucks.

    Attributes:
        lines: its steps, oldest first; the first 500. The sums are of all.
        total: charged plus external less refunded: the task's total cost.
        spender: the credential with limits that asks, or that paid its last step.
        remaining: what that may still spend in all; None when it has no such limit.
    """

    task_id: Id
    lines: list[ReceiptLine]
    charged: Sum
    fee: Sum
    refunded: Sum
    external: Sum
    total: Sum
    spender: Id | None = None
    remaining: Sum | None = None


class PaymentRefunded(TaskEvent):
    """Part of what was paid for a step, or all of it, was given back.

    Attributes:
        payment_id: the agent's payment, or the purchase by card when only that is given back.
        amount: BazaarBucks of the agent's pay.
        external_amount: BazaarBucks of what the agent bought.
    """

    type = "payment.refunded"
    payment_id: Id
    refund_id: Id
    step_id: Id
    agent_id: Id
    amount: Money
    external_amount: Money = Decimal(0)


class PaymentEntered(TaskEvent):
    """An agent was paid by hand for a task; the task counts it as a step of its own."""

    type = "payment.entered"
    payment_id: Id
    agent_id: Id
    amount: Money


OPEN_WALLET = Call("payment", "open_wallet", OpenWallet, WalletView)
GET_WALLET = Call("payment", "get_wallet", GetWallet, WalletView)
LIST_ENTRIES = Call("payment", "list_entries", ListEntries, EntryList)
CHECK_LEDGER = Call("payment", "check_ledger", CheckLedger, LedgerCheck, timeout_ms=120_000)
REFUND_PAYMENT = Call("payment", "refund_payment", RefundPayment, PaymentReply)
ENTER_PAYMENT = Call("payment", "enter_payment", EnterPayment, PaymentReply)
GET_RECEIPT = Call("payment", "get_receipt", GetReceipt, Receipt)
