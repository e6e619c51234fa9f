"""Orders of an orchestrator: start a task with its steps, add steps, finish it."""

from collections.abc import Mapping
from typing import Any

import structlog

from chassis.bus.calls import Bus
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chassis.handling.patience import Later
from contracts.envelope import Envelope
from contracts.orders import AddSteps, FinishTask, StartTask, StepSpec
from contracts.payment import GET_TASK_ACCOUNT, GetTaskAccount
from contracts.task_events import TaskCreated, TaskStarted
from contracts.topology import Durable
from task_svc import store, store_cancelling
from task_svc.beginning import start_task
from task_svc.cancelling import end_former, end_open, note_cancelled
from task_svc.domain import referring_to
from task_svc.ending import bill_line, ended, tell_task
from task_svc.rows import Task
from task_svc.taking import Taking

log = structlog.get_logger()
SETTLEMENT_WAIT_S = 0.03


async def on_start(order: StartTask, tx: Transaction, here: Envelope, taking: Taking) -> None:
    """Make the task and its steps, and run what is ready; ordered twice, it is made once."""
    task = await store.insert_task(
        tx.conn,
        id=order.task_id,
        account=here.account,
        spender=here.spender,
        user_query=order.user_query,
        required_skills=order.required_skills,
        status="created",
        max_budget=order.max_budget,
        turn_id=order.turn_id,
    )
    if task is None:
        return
    tx.publish(
        TaskCreated(
            task_id=task.id,
            user_query=order.user_query,
            required_skills=order.required_skills,
            max_budget=order.max_budget,
            turn_id=order.turn_id,
        )
    )
    if not task.cancelled_before:
        await _add(tx, task, order.steps, here, taking, {}, is_there=False)


async def on_add_steps(order: AddSteps, tx: Transaction, here: Envelope, taking: Taking) -> None:
    """Add steps to a task; one may take the place of a failed one.

    A turn that the task has not seen before takes it up, also when it has ended.
    """
    task = await store.find_task(tx.conn, order.task_id, here.account, lock=True)
    if task is None:
        # The order to make the task was sent first but may arrive later.
        raise Later(0.2, "the task is not there yet")
    over = task.status in store.ENDED
    steps, changes = order.steps, dict[str, Any]()
    if order.turn_id not in (None, task.turn_id):
        if order.turn_id in task.former_turns:
            log.info("steps of a turn that is over", task_id=task.id, turn_id=order.turn_id)
            return
        if await store_cancelling.is_cancelled(tx.conn, order.turn_id):
            steps = []
        task = await end_former(tx, task)
        changes["turn_id"] = order.turn_id
        changes["cancelled_at"] = None
        changes["former_turns"] = [*task.former_turns, *filter(None, [task.turn_id])]
        if over:
            changes |= {"status": "in_progress", "completed_at": None}
            tx.publish(TaskStarted(task_id=task.id, turn_id=order.turn_id))
    elif over or task.cancelled_at is not None:
        log.info("steps for a task that has ended", task_id=task.id)
        return
    if order.max_budget is not None and order.max_budget > task.max_budget:
        changes["max_budget"] = order.max_budget
    for spec in steps:
        if spec.replaces is not None:
            await _replace(tx, task, spec.replaces, spec.id)
    await _add(tx, task, steps, here, taking, changes)


async def _add(
    tx: Transaction,
    task: Task,
    specs: list[StepSpec],
    here: Envelope,
    taking: Taking,
    changes: dict[str, Any],
    *,
    is_there: bool = True,
) -> None:
    """Store steps of a task whose row is locked, along with changes of the task itself.

    Those that are ready are taken in the same transaction where this replica has room for them.
    Of a task that `is_there`, steps may have ended.
    """
    replaced = {spec.replaces for spec in specs if spec.replaces}
    failed = await store.failed_of(tx.conn, task.id, sorted(replaced)) if replaced else set()
    awaited = {id_ for spec in specs for id_ in spec.depends_on} if is_there else set()
    done = await store.results_of(tx.conn, task.id, sorted(awaited)) if awaited else {}
    shared = {
        "task_id": task.id,
        "account": task.account,
        "turn_id": changes.get("turn_id", task.turn_id),
        "max_budget": changes.get("max_budget", task.max_budget),
        "cause": here.model_dump(mode="json"),
    }
    rows = [shared | _row(spec, done, failed) for spec in specs]
    stored = await taking.new(tx, rows, done, here)
    changes["open_steps"] = task.open_steps + len(stored.ids)
    if stored.begun and "status" not in changes:  # Else it is told already that it has started.
        await start_task(tx, task._replace(turn_id=shared["turn_id"]), **changes)
    else:
        await store.update_task(tx.conn, task.id, **changes)
    tx.publish(*stored.begun)
    if stored.ready:
        tx.then(lambda: taking.wake(stored.ready))


def _row(spec: StepSpec, done: Mapping[str, str], failed: set[str]) -> dict[str, Any]:
    return {
        "id": spec.id,
        "agent_id": spec.agent_id,
        "skill": spec.skill,
        "subtask_type": spec.skill,
        "status": "pending",
        "payload": spec.payload,
        "depends_on": spec.depends_on,
        "waits_for": len(set(spec.depends_on) - done.keys()),
        "max_price": spec.max_price,
        "negotiation_id": spec.negotiation_id,
        # What is held for a step that still runs must not be let go.
        "replaces": spec.replaces if spec.replaces in failed else None,
    }


async def _replace(tx: Transaction, task: Task, old: str, new: str) -> None:
    """Make the steps that wait for the failed step `old` wait for `new`."""
    for step in await store.open_steps_of(tx.conn, task.id):
        if old in step.depends_on:
            depends_on = [new if id_ == old else id_ for id_ in step.depends_on]
            payload = referring_to(step.payload, old, new)
            await store.repoint(tx.conn, step.id, depends_on, payload)


async def on_finish(
    order: FinishTask,
    db: Database,
    bus: Bus,
    durable: Durable,
    here: Envelope,
) -> None:
    """End the task when every payment of it is settled, so that its bill is final.

    A turn that another one has followed ends nothing any more.

    Raises:
        Later: the task or the turn is not there yet, or a hold of it is still open.
    """
    if not (await _is_done(order, db, here) or await _end_steps(order, db, here)):
        return
    if not order.final:
        return
    account = await bus.ask(GET_TASK_ACCOUNT, GetTaskAccount(task_id=order.task_id), here)
    if account.held:
        raise Later(SETTLEMENT_WAIT_S, f"{account.held} BazaarBucks are still held")
    async with db.effect(durable.name, here) as tx:
        task = await store.find_task(tx.conn, order.task_id, here.account, lock=True)
        if task is None or task.status in store.ENDED or _is_over(order, task):
            return
        if account.captured != task.total_cost:
            raise Later(SETTLEMENT_WAIT_S, f"{account.captured} paid, {task.total_cost} charged")
        if task.open_steps:
            raise Later(SETTLEMENT_WAIT_S, "steps were added meanwhile")
        await store.update_task(tx.conn, task.id, status=order.outcome)
        if order.cancelled:
            await store_cancelling.forget_turn(tx.conn, order.turn_id)
        bill = [bill_line(step) for step in await store.bill_of(tx.conn, task.id)]
        tell_task(tx, task, ended(task, order.outcome, task.total_cost, bill, order.note))


async def _is_done(order: FinishTask, db: Database, here: Envelope) -> bool:
    """Whether nothing of the task is open, as with most: then nothing has to be ended first."""
    if order.cancelled:
        return False
    async with db.transaction(reads=True) as tx:
        task = await store.find_task(tx.conn, order.task_id, here.account)
    return task is not None and not task.open_steps and _not_begun(order, task) is None


async def _end_steps(order: FinishTask, db: Database, here: Envelope) -> bool:
    """End what is open of a task that is to be ended; False when that is not this turn's any more.

    Raises:
        Later: the task or the turn is not there yet; of a cancelled one, nothing will begin.
    """
    async with db.transaction(here) as tx:
        task = await store.find_task(tx.conn, order.task_id, here.account, lock=True)
        if task is not None and _is_over(order, task):
            return False
        too_early = _not_begun(order, task)
        if task is not None and too_early is None:
            why = order.note or "The task was ended."
            steps = await end_open(tx, task, why) if task.open_steps else ()
            if order.cancelled:
                await note_cancelled(tx, task, steps)
        elif order.cancelled and order.turn_id is not None:
            await store_cancelling.remember_turn(tx.conn, order.turn_id)
    if too_early is not None:
        raise Later(0.2, too_early)
    return True


def _not_begun(order: FinishTask, task: Task | None) -> str | None:
    """What has to come before a task can be ended; None when nothing has."""
    if task is None:
        return "the task is not there yet"
    if order.turn_id not in (None, task.turn_id):
        return "the turn has not taken the task up yet"
    return None


def _is_over(order: FinishTask, task: Task) -> bool:
    """Whether another turn has taken the task up after the one that orders its end."""
    if order.turn_id not in task.former_turns:
        return False
    log.info("the end of a turn that is over", task_id=task.id, turn_id=order.turn_id)
    return True
