"""The gateway's JSON as the React UI reads it: the messages' models, with numbers for amounts."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer

from contracts.base import MAX_AMOUNT, Id, Model
from contracts.chat import CostBreakdown, CostLine, LlmUse, MessageView
from contracts.ledger import EntryView, WalletView
from contracts.ledger import Receipt as ReceiptView
from contracts.ledger import ReceiptLine as ReceiptLineView
from contracts.payment import BazaarBucksPaymentView, StripePaymentView
from contracts.registry import AgentView
from contracts.registry import Billing as BillingView
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


class Agent(AgentView):
    """An agent, as GET /api/agents lists it."""

    billing: Billing = Billing()

    base_price: Number
    dynamic_price: Number
    rating: Number


class Task(TaskView):
    """A task, as GET /api/tasks lists it."""

    max_budget: Number
    total_cost: Number


class TaskStep(StepView):
    """A step, as GET /api/tasks/{id}/steps lists it."""

    cost: Number
    external_cost: Number


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


class Receipt(ReceiptView):
    """A task's receipt, as GET /api/tasks/{id}/receipt shows it."""

    lines: list[ReceiptLine]  # type: ignore[assignment]  # lines with numbers
    charged: SumNumber
    fee: SumNumber
    refunded: SumNumber
    external: SumNumber
    total: SumNumber


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


class Problem(Model):
    """Every error's body: `error` is a sentence for people, the rest is RFC 9457."""

    error: str
    type: str = "about:blank"
    title: str
    status: int
    detail: str
