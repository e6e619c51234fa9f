"""How a step ends, and what that does to its task: one transaction, for every way it came about."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from chassis.bus.envelopes import derived_id
from chassis.db.transaction import Transaction
from contracts.errors import PaymentRequired, Refusal
from contracts.task import FailureReason, InvokeReply, TaskStatus
from contracts.task_events import StepBill, StepCompleted, StepFailed, TaskCompleted, TaskFailed
from task_svc import store, store_at_once
from task_svc.domain import Quote, Split, as_refusal, status_after
from task_svc.pricing import is_overbilled
from task_svc.protocols.job import AgentAnswer
from task_svc.rows import Step, Task

TOLD_CHARS = 16_384
"""Of a result that nobody acts on, so much is in the event; events are kept for a month."""

Freed = Callable[[Transaction, Task, Sequence[Step]], Awaitable[list[str]]]
"""Gets the steps of a task that are ready now; returns the ids of those that it did not take."""


@dataclass(frozen=True, slots=True)
class Done:
    """A step's success: what the agent answered, what it billed, what is paid of that."""

    answer: AgentAnswer
    paid: Split
    billed: Decimal
    quote: Quote

    @property
    def quoted(self) -> Decimal | None:
        """What the step was promised to cost; None in a release without promises."""
        return self.quote.promise.price if self.quote.promise else None


@dataclass(frozen=True, slots=True)
class Failed:
    """A step's failure, as a reason for programs and a sentence for people."""

    reason: FailureReason
    error: str


class Postponed(Exception):
    """The step cannot go on now, and its outcome is open; it is taken up again later.

    Attributes:
        message: what it waits for.
        agent_called: whether the agent may have done its work already.
        delay_s: after how long it is taken up; None for the usual delay of what is away.
        tried: whether that was a try; a look whether somebody has decided is none.
    """

    def __init__(
        self,
        message: str,
        *,
        agent_called: bool = False,
        delay_s: float | None = None,
        tried: bool = True,
    ) -> None:
        """Say what it waits for."""
        super().__init__(message)
        self.message = message
        self.agent_called = agent_called
        self.delay_s = delay_s
        self.tried = tried


def recorded(step: Step) -> Done | Failed:
    """The outcome that a step has ended with."""
    if step.status == "failed":
        return Failed(step.reason, step.error)
    answer = AgentAnswer(
        result=step.result,
        cost=step.cost,
        subtask_type=step.subtask_type,
        requires_external_tool=step.requires_external_tool,
        external_cost=step.external_cost,
        vendor=step.vendor,
        execution_time=step.execution_time,
    )
    paid = Split(step.cost, step.external_cost)
    # Of a step that the release before ended, what was billed is not kept.
    billed = paid.cost + paid.external if step.billed is None else step.billed
    return Done(answer, paid, billed, Quote.model_validate(step.quote))


def answer_to(step: Step, outcome: Done | Failed) -> InvokeReply | Refusal:
    """What a caller gets who waited for a step."""
    if isinstance(outcome, Failed):
        refused = as_refusal(outcome.reason, outcome.error)
        if isinstance(refused, PaymentRequired) and outcome.reason == "not_covered":
            refused.required = step.max_price
        return refused
    return InvokeReply(
        result=outcome.answer.result,
        cost=outcome.paid.cost,
        subtask_type=outcome.answer.subtask_type,
        requires_external_tool=outcome.answer.requires_external_tool,
        external_cost=outcome.paid.external,
        task_id=step.task_id,
        step_id=step.id,
        quoted=outcome.quoted,
        billed=outcome.billed,
        agent_id=step.agent_id,
    )


async def end_step(
    tx: Transaction, step: Step, outcome: Done | Failed, freed: Freed | None = None
) -> list[str] | None:
    """End a step and bring its task up to date.

    Args:
        tx: the transaction.
        step: which.
        outcome: what came of it.
        freed: may take the steps that were waiting for this one and are ready now.

    Returns:
        Ids of those that were not taken; None when the step was ended before, in which case
        nothing changes.
    """
    task = await store.find_task(tx.conn, step.task_id, step.account, lock=True)
    if task is None:
        raise LookupError(f"step {step.id} has no task")
    started = await store.end_step(tx.conn, step.id, **_columns(outcome))
    if started is None:
        return None
    tell_step(tx, step, outcome, started=started)
    changed, ends = _after(task, step, outcome)
    if ends is not None:
        tx.publish(ends, account=task.account)
    await store.update_task(tx.conn, task.id, **changed)
    if task.turn_id is None or isinstance(outcome, Failed):
        return []
    ready = await store.free_dependents(tx.conn, step.task_id, step.id)
    return [one.id for one in ready] if freed is None else await freed(tx, task, ready)


async def end_call(tx: Transaction, task: Task, step: Step, outcome: Done | Failed) -> bool:
    """`end_step` for a call, all at once, if its task is still as it was when the call began.

    Returns:
        Whether that was so; else nothing was done.
    """
    tell_step(tx, step, outcome, started=True)
    changed, ends = _after(task, step, outcome)
    if ends is not None:
        tx.publish(ends, account=task.account)
    return await store_at_once.end(tx, task, step, changed, _columns(outcome))


def tell_step(tx: Transaction, step: Step, outcome: Done | Failed, *, started: bool) -> None:
    """Tell how a step ended: always the same event, however often."""
    event = _event(step, outcome, started=started)
    message_id = derived_id(step.account, step.id, event.type)
    tx.publish(event, account=step.account, message_id=message_id)


def tell_task(tx: Transaction, task: Task, event: TaskCompleted | TaskFailed) -> None:
    """Tell how a task ended; a turn ends its task once, and that is always the same event."""
    by_turn = derived_id(task.account, task.id, event.turn_id, "ended") if event.turn_id else None
    tx.publish(event, account=task.account, message_id=by_turn)


def _columns(outcome: Done | Failed) -> dict[str, Any]:
    if isinstance(outcome, Failed):
        return {"status": "failed", "reason": outcome.reason, "error": outcome.error}
    return {
        "status": "completed",
        "result": outcome.answer.result,
        "subtask_type": outcome.answer.subtask_type,
        "cost": outcome.paid.cost,
        "external_cost": outcome.paid.external,
        "requires_external_tool": outcome.answer.requires_external_tool,
        "execution_time": outcome.answer.execution_time,
        "billed": outcome.billed,
        "vendor": outcome.answer.vendor,
    }


def _event(step: Step, outcome: Done | Failed, *, started: bool) -> StepCompleted | StepFailed:
    if isinstance(outcome, Failed):
        return StepFailed(
            task_id=step.task_id,
            step_id=step.id,
            agent_id=step.agent_id,
            reason=outcome.reason,
            error=outcome.error,
            started=started,
            turn_id=step.turn_id,
        )
    # Whoever ordered the step acts on the whole; without an orchestrator nobody does.
    whole = outcome.answer.result
    told = whole if step.turn_id is not None else whole[:TOLD_CHARS]
    return StepCompleted(
        task_id=step.task_id,
        step_id=step.id,
        agent_id=step.agent_id,
        subtask_type=outcome.answer.subtask_type,
        result=told,
        cut=len(told) < len(whole),
        cost=outcome.paid.cost,
        external_cost=outcome.paid.external,
        billed=outcome.billed,
        quoted=outcome.quoted,
        overbilled=is_overbilled(outcome.billed, outcome.quote.promise),
        requires_external_tool=outcome.answer.requires_external_tool,
        vendor=outcome.answer.vendor,
        execution_time=outcome.answer.execution_time,
        turn_id=step.turn_id,
    )


def _after(
    task: Task, step: Step, outcome: Done | Failed
) -> tuple[dict[str, Any], TaskCompleted | TaskFailed | None]:
    """What a step's end changes of its task: cost, skills, and without an orchestrator its end."""
    spent = Decimal(0)
    done_skills = set(task.done_skills)
    if isinstance(outcome, Done):
        spent = outcome.paid.cost + outcome.paid.external
        done_skills |= {step.skill, outcome.answer.subtask_type, *outcome.quote.skills} - {""}
    open_steps = task.open_steps - 1
    changed: dict[str, Any] = {
        "open_steps": open_steps,
        "total_cost": task.total_cost + spent,
        "done_skills": sorted(done_skills),
    }
    if task.turn_id is None and task.status not in store.ENDED:
        verdict: Literal["completed", "failed"] = (
            "completed" if isinstance(outcome, Done) else "failed"
        )
        status = status_after(verdict, task.required_skills, done_skills, open_steps)
        if status not in ("in_progress", task.status):
            changed["status"] = status
            return changed, ended(task, status, task.total_cost + spent)
    return changed, None


def ended(
    task: Task,
    status: TaskStatus,
    total_cost: Decimal,
    bill: list[StepBill] | None = None,
    note: str | None = None,
) -> TaskCompleted | TaskFailed:
    """The event that says how a task ended."""
    if status == "completed":
        return TaskCompleted(
            task_id=task.id, total_cost=total_cost, turn_id=task.turn_id, bill=bill or []
        )
    return TaskFailed(
        task_id=task.id, total_cost=total_cost, turn_id=task.turn_id, bill=bill or [], note=note
    )


def bill_line(step: store.Found) -> StepBill:
    """A step, as `store.bill_of` finds it, as a line of its task's bill."""
    return StepBill(
        step_id=step.id,
        agent_id=step.agent_id,
        agent_name=step.agent_name or step.agent_id,
        status=step.status,
        cost=step.cost,
        external_cost=step.external_cost,
        turn_id=step.turn_id,
    )
