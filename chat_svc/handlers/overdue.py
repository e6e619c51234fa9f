"""Turns that have no answer at their deadline get an honest one: no turn hangs for ever."""

from chassis.database import Database, Transaction
from chat_svc import store
from chat_svc.domain import Progress, answer
from chat_svc.settings import Settings
from chat_svc.turn import finish
from contracts.envelope import Envelope
from contracts.orders import FinishTask

AT_ONCE = 20
NO_PLAN = (
    "I could not work on this: the marketplace did not answer in time. Nothing was charged; "
    "please try again."
)
STOPPED = "This took too long, so I stopped it."
NOT_SETTLED = "The bill of this task is not settled yet; the payments page shows it once it is."


async def answer_overdue(db: Database, settings: Settings) -> None:
    """Look after overdue turns, each by one replica."""
    async with db.transaction() as tx:
        for turn in await store.overdue_turns(tx.conn, AT_ONCE):
            tx.cause = Envelope.model_validate(turn.cause)
            await _look_after(tx, turn, settings)


async def _look_after(tx: Transaction, turn: store.Found, settings: Settings) -> None:
    if turn.progress is None:
        await finish(tx, turn, NO_PLAN, with_task=False)
    elif turn.status == "acting":
        # What is done stays done and paid; the task's end brings the bill and the answer.
        tx.publish(FinishTask(task_id=turn.task_id, outcome="failed", note=STOPPED))
        deadline = store.no_sooner_than(settings.settlement_grace_s)
        await store.update_turn(tx.conn, turn.id, status="settling", deadline_at=deadline)
    else:
        text, result = answer(Progress.model_validate(turn.progress))
        await finish(tx, turn, f"{text}\n\n{NOT_SETTLED}", result=result)
