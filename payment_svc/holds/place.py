"""Holds: money set aside for a step before its agent is called."""

from decimal import Decimal

from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.errors import Conflict, NotFound, PaymentRequired
from contracts.payment import (
    ExtendHold,
    HoldDeclined,
    HoldExtended,
    HoldPlaced,
    HoldReleased,
    HoldReply,
    PlaceHold,
)
from payment_svc.domain import extension, not_covered, wallet_of, within_quote
from payment_svc.holds import store, store_budgets
from payment_svc.spending import reserving


class _Declined(PaymentRequired):
    """A hold that the budget or the wallet does not cover."""

    def __init__(self, message: str, event: HoldDeclined) -> None:
        super().__init__(message, required=event.amount)
        self.event = event


async def place_hold(request: PlaceHold, db: Database, here: Envelope) -> HoldReply:
    """Set money aside, or say that the budget or the wallet is too small.

    Raises:
        PaymentRequired: not covered, or the wallet owes something; nothing is set aside.
        Conflict: the id was used for another hold, or that step is over.
    """
    found = None
    try:
        if request.replaces is None and here.spender is None:
            async with db.transaction(here, at_once=True) as tx:
                tx.publish(_placed(request))
                found = await store.place(tx, here.account, request, wallet_of(here.account))
            if found is not None and found.row_id is not None:
                return HoldReply(hold_id=request.hold_id, held=request.amount)
            if found is not None and not found.known:
                _check(request, found.within, found.covered, found.owed, closed=found.closed)
        async with db.transaction(here) as tx:
            if found is not None and found.known:
                return await _same_again(tx, request, here)
            return await _place(tx, request, here)
    except _Declined as declined:
        async with db.transaction(here) as tx:
            tx.publish(declined.event)
        raise


def _check(request: PlaceHold, within: bool, covered: bool, owed: Decimal, *, closed: bool) -> None:
    """Make sure that budget and wallet cover a hold.

    Args:
        request: the hold.
        within: whether its task's budget covers it.
        covered: whether the wallet does.
        owed: what that owes.
        closed: whether it is closed.

    Raises:
        _Declined: one of them does not.
    """
    if not within:
        raise _Declined(
            f"The task's budget of {request.max_budget.normalize():f} BazaarBucks does not cover "
            f"another {request.amount.normalize():f}.",
            _decline(request, "budget_exceeded"),
        )
    if closed or not covered:
        raise _Declined(
            not_covered(request.amount, owed, closed=closed), _decline(request, "wallet_exhausted")
        )


async def _place(tx: Transaction, request: PlaceHold, here: Envelope) -> HoldReply:
    placed = await store.insert_hold(tx.conn, here.account, request, here.spender)
    if placed is None:
        return await _same_again(tx, request, here)
    freed = placed.freed
    if why := await reserving.reserve(tx, request, placed, here):
        raise _Declined(why, _decline(request, "budget_exceeded", here.spender))
    within = await store_budgets.reserve_budget(tx.conn, here.account, request, freed)
    if not within:
        _check(request, within, covered=True, owed=Decimal(0), closed=False)
    reserved = await store_budgets.reserve_wallet(
        tx.conn, wallet_of(here.account), request.amount, freed
    )
    _check(request, within, reserved.done, reserved.owed, closed=reserved.closed)
    if request.replaces and freed:
        tx.publish(HoldReleased(task_id=request.task_id, hold_id=request.replaces, amount=freed))
    tx.publish(_placed(request))
    return HoldReply(hold_id=request.hold_id, held=request.amount)


def _placed(request: PlaceHold) -> HoldPlaced:
    return HoldPlaced(
        task_id=request.task_id,
        hold_id=request.hold_id,
        agent_id=request.agent_id,
        amount=request.amount,
    )


async def _same_again(tx: Transaction, request: PlaceHold, here: Envelope) -> HoldReply:
    known = await store.find_hold(tx.conn, request.hold_id)
    if known is None or (known.account, known.task_id) != (here.account, request.task_id):
        raise Conflict("This hold id was used for another hold.")
    if known.status == "released":
        raise Conflict("This step is over; its hold was released.")
    # The budget is the task's and may have grown since; it is no part of what the hold is.
    if (known.agent_id, known.asked, known.replaces, known.list_price) != (
        request.agent_id,
        request.amount,
        request.replaces,
        request.list_price,
    ):
        raise Conflict("This hold id was used for another hold.")
    return HoldReply(hold_id=request.hold_id, held=known.held)


def _decline(request: PlaceHold, reason: str, spender: str | None = None) -> HoldDeclined:
    return HoldDeclined.model_validate(
        {
            "task_id": request.task_id,
            "hold_id": request.hold_id,
            "agent_id": request.agent_id,
            "amount": request.amount,
            "reason": reason,
            "spender": spender,
        }
    )


async def extend_hold(request: ExtendHold, tx: Transaction, here: Envelope) -> HoldReply:
    """Raise a hold towards what the step costs, as far as budget and wallet allow.

    Services of the release before ask for it. Where something was promised, it goes no further;
    where a credential has limits, nowhere.

    Raises:
        NotFound: no such hold in this account.
        Conflict: the hold was resolved.
    """
    hold = await store.find_hold(tx.conn, request.hold_id, lock=True)
    if hold is None or hold.account != here.account:
        raise NotFound("Hold not found")
    if hold.status != "held":
        raise Conflict("This hold was resolved.")
    wanted = within_quote(request.amount, hold.quoted, hold.tolerance)
    if wanted <= hold.held or hold.spender is not None:
        return HoldReply(hold_id=hold.id, held=hold.held)
    wallet = wallet_of(here.account)
    budget = await store_budgets.lock_budget(tx.conn, hold.task_id)
    available = await store_budgets.lock_available(tx.conn, wallet)
    room = budget.max_budget - budget.held - budget.captured
    by = extension(wanted, hold.held, room, available)
    if by > 0:
        await store.raise_hold(tx.conn, hold.id, by)
        await store_budgets.set_more_aside(tx.conn, hold.task_id, wallet, by)
        tx.publish(
            HoldExtended(
                task_id=hold.task_id, hold_id=hold.id, agent_id=hold.agent_id, amount=hold.held + by
            )
        )
    return HoldReply(hold_id=hold.id, held=hold.held + by)
