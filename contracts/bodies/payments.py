"""Bodies about payments: by hand, with a card, and back."""

from contracts.base import Id
from contracts.bodies.amounts import AskedCents, AskedPaid
from contracts.bodies.base import Body, such_as


class NewPayment(Body, json_schema_extra=such_as(taskId="t1", agentId="translator", amount=1.25)):
    """Body of POST /api/payments/bazaarbucks: pay an agent by hand for a task."""

    task_id: Id
    agent_id: Id
    amount: AskedPaid
    payment_id: Id | None = None


class Refund(Body, json_schema_extra=such_as(amount=0.5, refundId="complaint-7")):
    """Body of POST /api/payments/bazaarbucks/{id}/refund; all that is left without an amount."""

    amount: AskedPaid | None = None
    refund_id: Id | None = None


class CardRefund(Body, json_schema_extra=such_as(refundId="complaint-8")):
    """Body of POST /api/payments/stripe/{id}/refund."""

    refund_id: Id | None = None


class OpenCheckout(Body, json_schema_extra=such_as(amount=20)):
    """Body of POST /api/payments/checkout."""

    amount: AskedCents
    payment_id: Id | None = None
