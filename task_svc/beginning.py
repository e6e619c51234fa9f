"""How a step and its task begin: what is stored, what the agent is sent, and if it is in time."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.task_events import TaskStarted
from task_svc import store
from task_svc.domain import Quote, with_results
from task_svc.rows import Step, Task

TELLING_S = 5.0
"""What is left of a caller's time for the end of a step, when its agent takes all of it."""


class Terms(NamedTuple):
    """What a step begins with: its quote, promise included, and what it may cost at most."""

    quote: Quote
    max_price: Decimal | None


class Begun(NamedTuple):
    """A step that has begun, its quote, and what its agent is sent."""

    step: Step
    quote: Quote
    payload: dict[str, Any]


def waits_s(cause: Envelope) -> float:
    """How long somebody still waits for the answer to a call, less the time to tell it."""
    if cause.deadline is None:
        return 0.0
    return (cause.deadline - datetime.now(UTC)).total_seconds() - TELLING_S


async def payload_of(tx: Transaction, step: Step) -> dict[str, Any]:
    """What the agent is sent: with results in it that the step waited for.

    Raises:
        KeyError: one of them is not there.
    """
    if not step.depends_on:
        return dict(step.payload)
    results = await store.results_of(tx.conn, step.task_id, step.depends_on)
    filled: dict[str, Any] = with_results(step.payload, results)
    return filled


def nobody_waits(step: Step, cause: Envelope) -> bool:
    """Whether a step comes too late to be begun.

    A call that was begun goes on when its caller has gone: the agent may have done its work.
    """
    begun = step.operation is not None or (step.reply_to is not None and step.attempts > 1)
    return cause.is_over() and not begun


def quote_columns(quote: Quote, max_price: Decimal | None) -> dict[str, Any]:
    """The columns of a step that begins.

    Its `max_price` says all that it may cost: so a replica of the release before, which knows no
    promises, holds and pays the same if it has to end the step.
    """
    quoted = quote.promise.price if quote.promise else None
    return {"quote": quote.model_dump(mode="json"), "quoted": quoted, "max_price": max_price}


async def start_task(tx: Transaction, task: Task, **changes: object) -> None:
    """A task is in progress with its first step, and again when a step comes after its end.

    Args:
        tx: the transaction in which the task's row is locked.
        task: the task.
        changes: columns that change with it.
    """
    if task.status != "in_progress":
        changes |= {"status": "in_progress", "completed_at": None}
        tx.publish(TaskStarted(task_id=task.id, turn_id=task.turn_id), account=task.account)
    if changes:
        await store.update_task(tx.conn, task.id, **changes)
