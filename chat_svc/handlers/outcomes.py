"""What comes of a turn's steps: results, other agents in place of failed ones, the bill."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from chassis.db.database import AlreadyHandled, Database
from chassis.db.transaction import Transaction
from chassis.handling.patience import Later
from chat_svc import store, store_rounds, telling
from chat_svc.adopting import known
from chat_svc.concluding import Concluding
from chat_svc.domain import StoredCall, another_agent, find_open, finished, spec, stuck
from chat_svc.domain import bill as bill_of
from chat_svc.settings import Settings
from chat_svc.turn import bill, go_on, order
from contracts.envelope import Envelope
from contracts.errors import Invalid
from contracts.task_events import StepCompleted, StepFailed, TaskCompleted, TaskEnded, TaskFailed
from contracts.topology import Durable

log = structlog.get_logger()
RESULT_WAIT_S = 0.3
NEEDED = "It needed the result of another call, which failed."
ENDED = "The task was ended before I was done."


async def on_step_completed(
    event: StepCompleted, db: Database, durable: Durable, here: Envelope, concluding: Concluding
) -> None:
    """Keep the result of the call that the step carries out.

    A result that comes while the task is being ended is kept too: it will be on the bill.
    """
    if event.turn_id is None:
        return
    async with _turn(db, durable, here, event.turn_id) as (tx, turn, calls):
        call = find_open(turn.id, calls, event.step_id)
        if call is None:
            return
        done = finished(
            call, telling.completed(call, event.result, event.cost, event.external_cost), well=True
        )
        await _keep(tx, turn, calls, [done], concluding)


async def on_step_failed(
    event: StepFailed, db: Database, durable: Durable, here: Envelope, concluding: Concluding
) -> None:
    """Give the work to the next agent that can do it; give it up when there is none."""
    if event.turn_id is None:
        return
    async with _turn(db, durable, here, event.turn_id) as (tx, turn, calls):
        call = find_open(turn.id, calls, event.step_id)
        if call is None or turn.status != "acting":
            return
        following = another_agent(call, event.reason, event.error)
        if following is not None:
            await store_rounds.update_call(tx.conn, turn.id, following)
            again = order(turn, [spec(turn.id, following, calls)], [])
            tx.publish(again, account=turn.account, deadline=turn.deadline_at)
            return
        failed = finished(call, telling.failed(call, event.reason, event.error), well=False)
        waiting = [
            finished(one, telling.failed(one, "dependency_failed", NEEDED), well=False)
            for one in stuck(_with(calls, [failed]))
        ]
        await _keep(tx, turn, calls, [failed, *waiting], concluding)


async def on_task_completed(
    event: TaskCompleted, db: Database, durable: Durable, here: Envelope, settings: Settings
) -> None:
    """Answer the person: what the orchestrator said, and the final bill."""
    await _answer(event, db, durable, here, settings, "")


async def on_task_failed(
    event: TaskFailed, db: Database, durable: Durable, here: Envelope, settings: Settings
) -> None:
    """Answer the person: what was done, what was not, and the final bill."""
    await _answer(event, db, durable, here, settings, event.note or ENDED)


async def _answer(
    event: TaskEnded, db: Database, durable: Durable, here: Envelope, settings: Settings, note: str
) -> None:
    """End the turn.

    Args:
        event: the end of its task.
        db: of the service.
        durable: that delivered the event.
        here: the event's envelope.
        settings: of the service.
        note: a sentence in case that it was not the turn that ended the task.

    Raises:
        Later: a result that is on the bill was not heard of yet.
    """
    if event.turn_id is None:
        return
    async with _turn(db, durable, here, event.turn_id) as (tx, turn, calls):
        paid = [step.step_id for step in event.bill if step.status == "completed"]
        if any(find_open(turn.id, calls, step_id) for step_id in paid):
            raise Later(RESULT_WAIT_S, "a result that was paid is still on its way")
        said, cost = "" if turn.status == "settling" else note, bill_of(event.bill)
        if turn.cancelled_at is not None:
            said = telling.what_was_paid(cost)
        await bill(tx, turn, calls, settings, cost=cost, note=said)


@asynccontextmanager
async def _turn(
    db: Database, durable: Durable, here: Envelope, turn_id: str
) -> AsyncIterator[tuple[Transaction, store.Found, list[StoredCall]]]:
    """The turn that an event is about, locked, and its calls.

    Raises:
        AlreadyHandled: the turn is over.
        Invalid: there is no such turn, for it is stored before anyone acts on it.
    """
    async with db.effect(durable.name, here) as tx:
        turn = await store.find_turn(tx.conn, turn_id, lock=True)
        if turn is None:
            raise Invalid(f"no turn {turn_id}")
        if turn.status == "done":
            log.info("event for a turn that is over", turn_id=turn_id)
            raise AlreadyHandled
        turn, calls = await known(tx, turn)
        yield tx, turn, calls


async def _keep(
    tx: Transaction,
    turn: store.Found,
    calls: Sequence[StoredCall],
    changed: Sequence[StoredCall],
    concluding: Concluding,
) -> None:
    for call in changed:
        await store_rounds.update_call(tx.conn, turn.id, call)
    known_now = _with(calls, changed)
    if not await concluding.end(tx, turn, known_now):
        await go_on(tx, turn, known_now)


def _with(calls: Sequence[StoredCall], changed: Sequence[StoredCall]) -> list[StoredCall]:
    by_id = {call.id: call for call in changed}
    return [by_id.get(call.id, call) for call in calls]
