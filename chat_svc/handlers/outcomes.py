"""What comes of a turn's steps: results, other agents in place of failed ones, the answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import structlog

from chassis.database import AlreadyHandled, Database, Transaction
from chassis.delivery import Here, Later
from chassis.given import Given
from chat_svc import store
from chat_svc.domain import Progress, after_failure, answer, bill, find_work, spec, with_work
from chat_svc.settings import Settings
from chat_svc.turn import finish
from contracts.envelope import Envelope
from contracts.errors import Invalid
from contracts.orders import AddSteps, FinishTask
from contracts.task import StepCompleted, StepFailed, TaskCompleted, TaskEnded, TaskFailed
from contracts.topology import Durable

log = structlog.get_logger()
RESULT_WAIT_S = 0.3

Db = Annotated[Database, Given("db")]
On = Annotated[Durable, Given("durable")]
Our = Annotated[Settings, Given("settings")]


async def on_step_completed(
    event: StepCompleted, db: Db, durable: On, here: Here, settings: Our
) -> None:
    """Keep the result; order the task's end when nothing is left to do.

    A result that comes while the task is being ended is kept too: it will be on the bill.
    """
    if event.turn_id is None:
        return
    async with _turn(db, durable, here, event.turn_id) as (tx, turn, progress):
        index = _open_step(progress, turn.id, event.step_id)
        if index is None or turn.status == "done":
            return
        done = with_work(progress, index, status="completed", result=event.result)
        await _go_on(tx, turn, done, settings)


async def on_step_failed(event: StepFailed, db: Db, durable: On, here: Here, settings: Our) -> None:
    """Give the step to the next agent that can do it; give it up when there is none."""
    if event.turn_id is None:
        return
    async with _turn(db, durable, here, event.turn_id) as (tx, turn, progress):
        index = _open_step(progress, turn.id, event.step_id)
        if index is None or turn.status != "acting":
            return
        following, again = after_failure(progress, index, event.reason, event.error)
        if again:
            order = spec(following, turn.id, index)
            tx.publish(AddSteps(task_id=turn.task_id, steps=[order]), account=turn.account)
        await _go_on(tx, turn, following, settings)


async def on_task_completed(event: TaskCompleted, db: Db, durable: On, here: Here) -> None:
    """Answer the person: the results and the final bill."""
    await _answer(event, db, durable, here, None)


async def on_task_failed(event: TaskFailed, db: Db, durable: On, here: Here) -> None:
    """Answer the person: what was done, what was not, and the final bill."""
    await _answer(event, db, durable, here, event.note)


async def _answer(
    event: TaskEnded, db: Database, durable: Durable, here: Envelope, note: str | None
) -> None:
    """End the turn.

    Raises:
        Later: a result that is on the bill was not heard of yet.
    """
    if event.turn_id is None:
        return
    async with _turn(db, durable, here, event.turn_id) as (tx, turn, progress):
        if turn.status == "done":
            return
        paid = [step.step_id for step in event.bill if step.status == "completed"]
        if any(_open_step(progress, turn.id, step_id) is not None for step_id in paid):
            raise Later(RESULT_WAIT_S, "a result that was paid is still on its way")
        text, result = answer(progress)
        if note:
            text = f"{text}\n\n{note}"
        await finish(tx, turn, text, result=result, cost=bill(event.bill))


@asynccontextmanager
async def _turn(
    db: Database, durable: Durable, here: Envelope, turn_id: str
) -> AsyncIterator[tuple[Transaction, store.Found, Progress]]:
    """The turn that an event is about, locked, and where it stands.

    Raises:
        Invalid: no such turn was ever planned, for a plan is stored before anyone acts on it.
    """
    async with db.effect(durable.name, here) as tx:
        turn = await store.find_turn(tx.conn, turn_id, lock=True)
        if turn is not None and turn.status == "done":
            log.info("event for a turn that is over", turn_id=turn_id)
            raise AlreadyHandled
        if turn is None or turn.progress is None:
            raise Invalid(f"no plan for turn {turn_id}")
        yield tx, turn, Progress.model_validate(turn.progress)


def _open_step(progress: Progress, turn_id: str, step_id: str) -> int | None:
    """Which step this is; None when its outcome is known, or another took its place."""
    index = find_work(progress, turn_id, step_id)
    if index is None or progress.works[index].status != "open":
        return None
    return index


async def _go_on(
    tx: Transaction, turn: store.Found, progress: Progress, settings: Settings
) -> None:
    changes: dict[str, object] = {"progress": progress.model_dump(mode="json")}
    if turn.status == "acting" and progress.over():
        changes["status"] = "settling"
        changes["deadline_at"] = store.no_sooner_than(settings.settlement_grace_s)
        outcome = "completed" if progress.succeeded() else "failed"
        tx.publish(FinishTask(task_id=turn.task_id, outcome=outcome), account=turn.account)
    await store.update_turn(tx.conn, turn.id, **changes)
