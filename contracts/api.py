"""The gateway's JSON as the React UI reads it: the messages' models, with numbers for amounts."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer

from contracts.approvals import ApprovalView
from contracts.base import MAX_AMOUNT, Id, Model
from contracts.chat import CostBreakdown, CostLine, LlmUse, MessageView, PlanCandidate
from contracts.disputes import DisputeView
from contracts.ledger import EntryView, WalletView
from contracts.ledger import Receipt as ReceiptView
from contracts.ledger import ReceiptLine as ReceiptLineView
from contracts.listings import Choice as ChoiceView
from contracts.listings import Considered as ConsideredView
from contracts.payment import BazaarBucksPaymentView, StripePaymentView
from contracts.quotes import QuoteView
from contracts.registry import AgentView
from contracts.registry import Billing as BillingView
from contracts.selling import EarningsLine, PayoutView, SellerView
from contracts.spending import SpenderView
from contracts.task import InvokeReply, StepView, TaskStatus, TaskView


def _number(amount: Decimal) -> float:
    return float(round(amount, 6))


Number = Annotated[
    Decimal,
    Field(ge=0, le=MAX_AMOUNT, decimal_places=6),
    PlainSerializer(_number, return_type=float),
]
"""An amount as a JSON number with at most six decimals: the UI cannot render a string."""

SumNumber = Annotated[
    Decimal,
    Field(ge=0, decimal_places=6),
    PlainSerializer(_number, return_type=float),
]
"""A `Number` added up over many movements: more than a single amount may be."""

SignedNumber = Annotated[
    Decimal,
    Field(decimal_places=6),
    PlainSerializer(_number, return_type=float),
]
"""A `Number` that may be negative."""


class Billing(BillingView):
    """How an agent bills, with numbers."""

    per_thousand: Number = Decimal(0)
    ceiling: Number | None = None
    tolerance: Number | None = None
    purchases: Number = Decimal(0)


class Agent(AgentView):
    """An agent, as GET /api/agents lists it."""

    billing: Billing = Billing()

    base_price: Number
    dynamic_price: Number
    rating: Number


class Considered(ConsideredView):
    """An agent that could be chosen."""

    agent: Agent


class Choice(ChoiceView):
    """Who could be chosen, as GET /api/agents/choose answers."""

    candidates: list[Considered]  # type: ignore[assignment]  # agents with numbers


class ChosenOne(PlanCandidate):
    """An agent that could have been chosen."""

    price: Number | None = None


class Chosen(Model):
    """Whom a call or a quote by a skill went to: the first of the candidates.

    Attributes:
        reason: why, as a sentence.
    """

    skill: str
    reason: str
    candidates: list[ChosenOne]


class Task(TaskView):
    """A task, as GET /api/tasks lists it."""

    max_budget: Number
    total_cost: Number


class TaskStep(StepView):
    """A step, as GET /api/tasks/{id}/steps lists it."""

    cost: Number
    external_cost: Number
    quoted: Number | None = None
    billed: Number | None = None
    paid: Number | None = None


class BazaarBucksPayment(BazaarBucksPaymentView):
    """A payment in BazaarBucks, as GET /api/payments/bazaarbucks lists it."""

    amount: Number


class StripePayment(StripePaymentView):
    """A card payment, as GET /api/payments/stripe lists it."""

    amount: Number


class BillLine(CostLine):
    """One agent's share of a bill."""

    cost: Number


class Bill(CostBreakdown):
    """The cost breakdown under an assistant's message."""

    subtasks: list[BillLine]  # type: ignore[assignment]  # a line with numbers in place of strings
    total: Number


class Llm(LlmUse):
    """What the language model used for an answer."""

    usd: Number
    charged: Number | None = None


class Message(MessageView):
    """A chat message, as GET /api/messages lists it."""

    cost_breakdown: Bill | None = None
    llm: Llm | None = None


class InvocationResult(InvokeReply):
    """Answer of POST /api/invoke-agent."""

    cost: Number
    external_cost: Number
    quoted: Number | None = None
    billed: Number | None = None
    chosen: Chosen | None = None


class Credential(SpenderView):
    """A session, or a key made over HTTP, and what of its limits is left."""

    limit: Number | None = None
    per_task: Number | None = None
    per_day: Number | None = None
    held: SumNumber
    spent: SumNumber
    remaining: SumNumber | None = None
    approve_above: Number | None = None


class Approval(ApprovalView):
    """A step that waits, or waited, for a person."""

    amount: Number


class NewCredential(Credential):
    """Answer of POST /api/sessions and POST /api/keys; `token` is shown this once."""

    token: str


class Quote(QuoteView):
    """Answer of POST /api/quotes."""

    price: Number
    work: Number
    purchases: Number
    chosen: Chosen | None = None


class Wallet(WalletView):
    """A wallet, as GET /api/wallet shows it."""

    posted: SumNumber
    held: SumNumber
    available: SumNumber
    owed: SumNumber = Decimal(0)


class LedgerEntry(EntryView):
    """A line of a statement, as GET /api/ledger lists it; negative leaves the account."""

    amount: SignedNumber


class ReceiptLine(ReceiptLineView):
    """A step on a receipt."""

    quoted: Number
    held: Number
    charged: Number
    fee: Number
    refunded: Number
    external: Number
    list_price: Number | None = None
    billed: Number | None = None
    paid: Number | None = None


class Receipt(ReceiptView):
    """A task's receipt, as GET /api/tasks/{id}/receipt shows it."""

    lines: list[ReceiptLine]  # type: ignore[assignment]  # lines with numbers
    charged: SumNumber
    fee: SumNumber
    refunded: SumNumber
    external: SumNumber
    total: SumNumber
    remaining: SumNumber | None = None


class Seller(SellerView):
    """What an account has earned, as GET /api/seller shows it."""

    waiting: SumNumber
    available: SumNumber
    owed: SumNumber
    pending: SumNumber
    paid: SumNumber


class Earnings(EarningsLine):
    """What an agent earned on a day, as GET /api/seller/earnings lists it."""

    charged: SumNumber
    fees: SumNumber
    refunded: SumNumber
    earned: SumNumber


class Payout(PayoutView):
    """A payout, as GET /api/seller/payouts lists it."""

    amount: Number


class Dispute(DisputeView):
    """A dispute, as GET /api/disputes lists it."""

    amount: Number | None = None


class ChatAnswer(Model):
    """Answer of POST /api/hubchat/message.

    Attributes:
        done: whether the assistant's message is stored; False when the turn goes on.
        message: the assistant's message when done.
    """

    success: Literal[True] = True
    turn_id: Id
    task_id: Id | None = None
    done: bool
    message: Message | None = None


class AgentCredential(Model):
    """Answer of POST and DELETE /api/agents/{id}/credential; the secret is never shown.

    Attributes:
        header: in which it is sent; None when none is kept.
        origin: where alone it is sent.
    """

    agent_id: Id
    header: str | None = None
    origin: str | None = None


class Cancellation(Model):
    """Answer of POST /api/tasks/{id}/cancel and POST /api/turns/{id}/cancel.

    Attributes:
        task_id: the task; None when the turn had none.
        turn_id: the turn; None when nobody in the chat asked for the task.
        cancelled: whether it was cancelled, by this request or an earlier one; False when it had
            come to its end, or its end was decided.
        status: how the task stands; a cancelled one has failed, once its bill is settled.
    """

    task_id: Id | None = None
    turn_id: Id | None = None
    cancelled: bool
    status: TaskStatus | None = None


class ServiceHealth(Model):
    """Whether one service answers."""

    status: Literal["up", "down"]
    detail: str | None = None
    ms: int | None = None
    details: dict[str, str] = Field(default_factory=dict)


class Health(Model):
    """GET /health of the gateway: every service and whether it answers."""

    status: Literal["ok", "degraded"]
    version: str
    services: dict[str, ServiceHealth]


class PaymentProblem(Model):
    """The body of a 402, for programs: what is missing, and where to get it.

    Attributes:
        type: `urn:agentbazaar:problem:payment-required`, always.
        required: BazaarBucks that would have to be there.
        available: what is there: in the wallet, or of the session that asks.
        top_up: the address that a top-up is posted to, when one would help.
    """

    error: str
    type: str = "urn:agentbazaar:problem:payment-required"
    title: str
    status: int
    detail: str
    required: Number | None = None
    available: SumNumber | None = None
    top_up: str | None = None


class Problem(Model):
    """Every error's body: `error` is a sentence for people, the rest is RFC 9457."""

    error: str
    type: str = "about:blank"
    title: str
    status: int
    detail: str
