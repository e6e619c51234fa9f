"""What happens to a task's cost after its steps were paid: refunds, and payments by hand."""

import structlog

from chassis.db.transaction import Transaction
from chassis.handling.patience import Later
from contracts.envelope import Envelope
from contracts.ledger import PaymentEntered, PaymentRefunded
from task_svc import store

log = structlog.get_logger()
BY_HAND = "payment"
NOT_HEARD_OF_S = 0.2


async def on_refunded(event: PaymentRefunded, tx: Transaction, here: Envelope) -> None:
    """The step costs less now, and so does its task.

    Raises:
        Later: the step is a payment by hand that this service has not heard of yet; events of two
            kinds come in any order.
    """
    task = await store.find_task(tx.conn, event.task_id, here.account, lock=True)
    if task is None:
        log.warning("refund for an unknown task", task_id=event.task_id)
        return
    if not await store.lower_cost(
        tx.conn, task.id, event.step_id, event.amount, event.external_amount
    ):
        raise Later(NOT_HEARD_OF_S, "the step that is refunded is not known yet")
    back = event.amount + event.external_amount
    await store.update_task(tx.conn, task.id, total_cost=task.total_cost - back)


async def on_entered(event: PaymentEntered, tx: Transaction, here: Envelope) -> None:
    """A payment by hand is a step of its own, so that the cost stays the sum of the steps."""
    await enter(tx, event, here)


async def enter(tx: Transaction, event: PaymentEntered, here: Envelope) -> bool:
    """Count a payment by hand, once; whether it had not been counted before."""
    task = await store.find_task(tx.conn, event.task_id, here.account, lock=True)
    if task is None:
        log.warning("payment for an unknown task", task_id=event.task_id)
        return False
    row = {
        "id": event.payment_id,
        "task_id": task.id,
        "account": task.account,
        "agent_id": event.agent_id,
        "skill": "",
        "subtask_type": BY_HAND,
        "status": "completed",
        "payload": {},
        "max_budget": task.max_budget,
        "cause": here.model_dump(mode="json"),
        "cost": event.amount,
    }
    if not await store.insert_step(tx.conn, row, ended=True):
        return False
    await store.update_task(tx.conn, task.id, total_cost=task.total_cost + event.amount)
    return True
