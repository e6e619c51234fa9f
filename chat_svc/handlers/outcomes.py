"""What comes of a turn's steps: results, other agents in place of failed ones, the answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import structlog

from chassis.database import Database, Transaction
from chassis.delivery import Here
from chassis.given import Given
from chat_svc import store
from chat_svc.domain import Progress, after_failure, answer, bill, find_work, spec, with_work
from chat_svc.turn import finish
from contracts.envelope import Envelope
from contracts.task import (
    AddSteps,
    FinishTask,
    StepCompleted,
    StepFailed,
    TaskCompleted,
    TaskEnded,
    TaskFailed,
)
from contracts.topology import Durable

log = structlog.get_logger()
Db = Annotated[Database, Given("db")]
On = Annotated[Durable, Given("durable")]


async def on_step_completed(event: StepCompleted, db: Db, durable: On, here: Here) -> None:
    """Keep the result; order the task's end when nothing is left to do."""
    if event.turn_id is None:
        return
    async with _acting(db, durable, here, event.turn_id) as (tx, turn, progress):
        index = find_work(progress, turn.id, event.step_id)
        if index is not None and progress.works[index].status == "open":
            done = with_work(progress, index, status="completed", result=event.result)
            await _go_on(tx, turn, done)


async def on_step_failed(event: StepFailed, db: Db, durable: On, here: Here) -> None:
    """Give the step to the next agent that can do it; give it up when there is none."""
    if event.turn_id is None:
        return
    async with _acting(db, durable, here, event.turn_id) as (tx, turn, progress):
        index = find_work(progress, turn.id, event.step_id)
        if index is None or progress.works[index].status != "open":
            return
        following, again = after_failure(progress, index, event.reason, event.error)
        if again:
            order = spec(following, turn.id, index)
            tx.publish(AddSteps(task_id=turn.task_id, steps=[order]), account=turn.account)
        await _go_on(tx, turn, following)


async def on_task_completed(event: TaskCompleted, db: Db, durable: On, here: Here) -> None:
    """Answer the person: the results and the final bill."""
    await _answer(event, db, durable, here, None)


async def on_task_failed(event: TaskFailed, db: Db, durable: On, here: Here) -> None:
    """Answer the person: what was done, what was not, and the final bill."""
    await _answer(event, db, durable, here, event.note)


async def _answer(
    event: TaskEnded, db: Database, durable: Durable, here: Envelope, note: str | None
) -> None:
    if event.turn_id is None:
        return
    async with db.effect(durable.name, here) as tx:
        turn = await store.find_turn(tx.conn, event.turn_id, lock=True)
        if turn is None or turn.status == "done" or turn.progress is None:
            return
        progress = Progress.model_validate(turn.progress)
        text, result = answer(progress)
        if note:
            text = f"{text}\n\n{note}"
        await finish(tx, turn, text, result=result, cost=bill(event.bill))


@asynccontextmanager
async def _acting(
    db: Database, durable: Durable, here: Envelope, turn_id: str
) -> AsyncIterator[tuple[Transaction, store.Found, Progress]]:
    """The turn that an event is about, locked; a turn that is over gets an empty progress."""
    async with db.effect(durable.name, here) as tx:
        turn = await store.find_turn(tx.conn, turn_id, lock=True)
        if turn is None or turn.progress is None:
            raise LookupError(f"no plan for turn {turn_id}")
        progress = Progress.model_validate(turn.progress)
        if turn.status != "acting":
            log.info("outcome for a turn that is over", turn_id=turn_id, status=turn.status)
            progress = progress.model_copy(update={"works": []})
        yield tx, turn, progress


async def _go_on(tx: Transaction, turn: store.Found, progress: Progress) -> None:
    changes: dict[str, object] = {"progress": progress.model_dump(mode="json")}
    if progress.over():
        changes["status"] = "settling"
        outcome = "completed" if progress.succeeded() else "failed"
        tx.publish(FinishTask(task_id=turn.task_id, outcome=outcome), account=turn.account)
    await store.update_turn(tx.conn, turn.id, **changes)
