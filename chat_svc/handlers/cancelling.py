"""A person cancels a turn: it ends as one whose time is over, and says what was paid so far."""

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from chassis.bus import Bus
from chassis.database import Database, Transaction
from chassis.delivery import Here
from chassis.given import Given
from chat_svc import store, store_rounds
from chat_svc.acting import charge_for
from chat_svc.adopting import known
from chat_svc.money import money_left
from chat_svc.orchestrator import Move
from chat_svc.settings import Settings
from chat_svc.turn import close
from contracts.chat import CancelledTurn, CancelTurn
from contracts.envelope import Envelope
from contracts.errors import NotFound, Refusal
from contracts.orders import FinishTask

CANCELLED = "You cancelled this, so I stopped."
NOTHING_PAID = "You cancelled this before anything was paid."


async def cancel_turn(
    request: CancelTurn,
    db: Annotated[Database, Given("db")],
    bus: Annotated[Bus, Given("bus")],
    settings: Annotated[Settings, Given("settings")],
    here: Here,
) -> CancelledTurn:
    """End a turn that still thinks or acts; its task's end cancels the steps and brings the bill.

    Asked for again, or too late, nothing changes.

    Raises:
        NotFound: the account has no such turn.
    """
    async with db.transaction() as tx:
        found = await _find(tx, request, here.account)
    charge = await _charge(found, db, bus, settings)
    async with db.transaction(Envelope.model_validate(found.cause)) as tx:
        turn = await store.find_turn(tx.conn, found.id, lock=True)
        if turn is None:
            raise NotFound("Turn not found")
        if turn.status in ("thinking", "acting"):
            return await _cancel(tx, turn, charge, settings)
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


async def _charge(turn: store.Found, db: Database, bus: Bus, settings: Settings) -> Decimal:
    """BazaarBucks that the person pays for what the language model has done by now."""
    if not settings.charge_llm or turn.status not in ("thinking", "acting"):
        return Decimal(0)
    async with db.transaction() as tx:
        used = await store_rounds.tokens_of(tx.conn, turn.id)
    left: Decimal = turn.max_budget
    if used:
        with suppress(Refusal):  # Then it is for payment to say whether it is covered.
            left = await money_left(bus, turn, Envelope.model_validate(turn.cause))
    return charge_for(Move(""), used, left, settings)


async def _cancel(
    tx: Transaction, turn: store.Found, charge: Decimal, settings: Settings
) -> CancelledTurn:
    turn, calls = await known(tx, turn)
    turn = await store.update_turn(tx.conn, turn.id, cancelled_at=datetime.now(UTC))
    paid = charge or any(call.work for call in calls)
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
    return CancelledTurn(
        turn_id=turn.id, task_id=turn.task_id if begun else None, cancelled=True, done=False
    )
