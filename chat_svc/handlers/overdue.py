"""Turns that have no answer at their deadline get an honest one: no turn hangs for ever."""

from chassis.database import Database, Transaction
from chat_svc import store
from chat_svc.adopting import known
from chat_svc.domain import CHARGE
from chat_svc.settings import Settings
from chat_svc.turn import bill, close, finish_task
from contracts.envelope import Envelope

AT_ONCE = 20
NO_ANSWER = (
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
    turn, calls = await known(tx, turn)
    if turn.status == "settling":
        if any(call.open and call.tool == CHARGE for call in calls):
            tx.publish(finish_task(turn, calls))
        await bill(tx, turn, calls, settings, cost=None, note=NOT_SETTLED)
        return
    said = turn.trouble or (STOPPED if calls else NO_ANSWER)
    # What is done stays done and paid; the task's end brings the bill and the answer.
    await close(tx, turn, said, calls, settings, stopped=True)
