"""A person cancels a turn: it ends as one whose time is over, and says what was paid so far."""

from datetime import UTC, datetime
from decimal import Decimal

from chassis.bus.calls import Bus
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chat_svc import store
from chat_svc.adopting import known
from chat_svc.money import charge_at_the_end
from chat_svc.settings import Settings
from chat_svc.turn import close
from contracts.envelope import Envelope
from contracts.errors import NotFound
from contracts.orders import FinishTask
from contracts.turns import CancelledTurn, CancelTurn

CANCELLED = "You cancelled this, so I stopped."
NOTHING_PAID = "You cancelled this before anything was paid."
WORKING = ("thinking", "acting")
"""Where a turn can be cancelled; after that its end is decided."""


async def cancel_turn(
    request: CancelTurn,
    db: Database,
    bus: Bus,
    settings: Settings,
    here: Envelope,
) -> CancelledTurn:
    """End a turn that still thinks or acts; its task's end cancels the steps and brings the bill.

    Asked for again, or too late, nothing changes.

    Raises:
        NotFound: the account has no such turn.
    """
    async with db.transaction(reads=True) as tx:
        found = await _find(tx, request, here.account)
    if found.status not in WORKING:
        return _as_it_is(found)
    cause = Envelope.model_validate(found.cause)
    charge = await charge_at_the_end(found, db, bus, cause, settings)
    async with db.transaction(cause) as tx:
        turn = await store.find_turn(tx.conn, found.id, lock=True)
        if turn is None:
            raise NotFound("Turn not found")
        if turn.status in WORKING:
            return await _cancel(tx, turn, charge, settings)
    return _as_it_is(turn)


def _as_it_is(turn: store.Found) -> CancelledTurn:
    return CancelledTurn(
        turn_id=turn.id,
        task_id=turn.task_id if turn.task_begun else None,
        cancelled=turn.cancelled_at is not None,
        done=turn.status == "done",
    )


async def _find(tx: Transaction, request: CancelTurn, account: str) -> store.Found:
    if request.turn_id is not None:
        turn = await store.find_turn(tx.conn, request.turn_id)
    else:
        turn = await store.last_turn_of(tx.conn, account, request.task_id or "")
    if turn is None or turn.account != account:
        raise NotFound("Turn not found")
    return turn


async def _cancel(
    tx: Transaction, turn: store.Found, charge: Decimal, settings: Settings
) -> CancelledTurn:
    turn, calls = await known(tx, turn)
    turn = await store.update_turn(tx.conn, turn.id, cancelled_at=datetime.now(UTC))
    paid = bool(charge) or any(call.work for call in calls)
    await close(
        tx, turn, CANCELLED if paid else NOTHING_PAID, calls, settings, stopped=True, charge=charge
    )
    if charge:  # The task is ended when that is paid, and what is open has to be now.
        tx.publish(
            FinishTask(
                task_id=turn.task_id,
                turn_id=turn.id,
                outcome="failed",
                note=CANCELLED,
                cancelled=True,
                final=False,
            )
        )
    begun = turn.task_begun or bool(charge)
    # With nothing to settle it is over, and its task is not its own: others may work for that.
    return CancelledTurn(
        turn_id=turn.id, task_id=turn.task_id if begun else None, cancelled=True, done=not paid
    )
