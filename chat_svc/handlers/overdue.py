"""Turns that have no answer at their deadline get an honest one: no turn hangs for ever."""

import asyncio
from decimal import Decimal

import structlog

from chassis.bus.calls import Bus
from chassis.db.away import is_away
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chat_svc import store
from chat_svc.adopting import known
from chat_svc.domain import CHARGE
from chat_svc.money import charge_at_the_end
from chat_svc.settings import Settings
from chat_svc.turn import bill, close, finish_task
from contracts.envelope import Envelope

log = structlog.get_logger()
AT_ONCE = 20
SIDE_BY_SIDE = 4
AGAIN_S = 15.0
"""When a turn is looked after again that could not be ended."""
NO_ANSWER = (
    "I could not work on this: the marketplace did not answer in time. Nothing was charged; "
    "please try again."
)
STOPPED = "This took too long, so I stopped it."
NOT_SETTLED = "The bill of this task is not settled yet; the payments page shows it once it is."


async def answer_overdue(db: Database, bus: Bus, settings: Settings) -> None:
    """Look after overdue turns, each by itself: what is wrong with one keeps no other waiting."""
    async with db.transaction(at_once=True) as tx:
        overdue = await store.overdue_turns(tx.conn, AT_ONCE)
    room = asyncio.Semaphore(SIDE_BY_SIDE)
    async with asyncio.TaskGroup() as looks:
        for turn in overdue:
            looks.create_task(_end(turn, db, bus, settings, room))


async def _end(
    seen: store.Found, db: Database, bus: Bus, settings: Settings, room: asyncio.Semaphore
) -> None:
    """End a turn; one that cannot be ended is put off, so that it is in nobody's way."""
    async with room:
        try:
            here = Envelope.model_validate(seen.cause)
            charge = await charge_at_the_end(seen, db, bus, here, settings)
            async with db.transaction(here) as tx:
                turn = await store.find_turn(tx.conn, seen.id, lock=True)
                if turn is not None and _as(turn) == _as(seen):
                    await _look_after(tx, turn, charge, settings)
        except Exception as error:
            if is_away(error):
                raise
            log.exception("a turn that cannot be ended", turn_id=seen.id)
            async with db.transaction() as tx:
                await store.put_off(tx.conn, seen.id, AGAIN_S)


def _as(turn: store.Found) -> tuple[object, ...]:
    """What tells whether somebody else went on with a turn meanwhile."""
    return turn.status, turn.round, turn.deadline_at


async def _look_after(
    tx: Transaction, turn: store.Found, charge: Decimal, settings: Settings
) -> None:
    turn, calls = await known(tx, turn)
    if turn.status == "settling":
        if any(call.open and call.tool == CHARGE for call in calls):
            tx.publish(finish_task(turn, calls))
        await bill(tx, turn, calls, settings, cost=None, note=NOT_SETTLED)
        return
    said = turn.trouble or (STOPPED if calls or charge else NO_ANSWER)
    # What is done stays done and paid; the task's end brings the bill and the answer.
    await close(tx, turn, said, calls, settings, stopped=True, charge=charge)
