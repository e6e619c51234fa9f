"""The gateway's JSON as the React UI reads it: the messages' models, with numbers for amounts.

One module for each capability; this is the table of contents.
"""

from contracts.api.agents import (
    Agent,
    AgentCredential,
    Billing,
    Choice,
    Chosen,
    ChosenOne,
    Considered,
)
from contracts.api.amounts import Number, SignedNumber, SumNumber
from contracts.api.chat import Bill, BillLine, ChatAnswer, Llm, Message
from contracts.api.disputes import Dispute
from contracts.api.health import Health, ServiceHealth
from contracts.api.payments import (
    BazaarBucksPayment,
    LedgerEntry,
    Receipt,
    ReceiptLine,
    StripePayment,
    Wallet,
)
from contracts.api.problems import PaymentProblem, Problem
from contracts.api.selling import Earnings, Onboarding, Payout, Seller
from contracts.api.spending import Approval, Credential, NewCredential
from contracts.api.tasks import Cancellation, InvocationResult, Quote, Task, TaskStep

__all__ = [
    "Agent",
    "AgentCredential",
    "Approval",
    "BazaarBucksPayment",
    "Bill",
    "BillLine",
    "Billing",
    "Cancellation",
    "ChatAnswer",
    "Choice",
    "Chosen",
    "ChosenOne",
    "Considered",
    "Credential",
    "Dispute",
    "Earnings",
    "Health",
    "InvocationResult",
    "LedgerEntry",
    "Llm",
    "Message",
    "NewCredential",
    "Number",
    "Onboarding",
    "PaymentProblem",
    "Payout",
    "Problem",
    "Quote",
    "Receipt",
    "ReceiptLine",
    "Seller",
    "ServiceHealth",
    "SignedNumber",
    "StripePayment",
    "SumNumber",
    "Task",
    "TaskStep",
    "Wallet",
]
