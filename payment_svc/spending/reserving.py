"""What holds do to the credentials that they were placed with; the hold's row is locked."""

from datetime import UTC, datetime
from decimal import Decimal

from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.payment import PlaceHold
from payment_svc.rows import Placed
from payment_svc.spending import store, store_approvals
from payment_svc.spending.limits import Limits, why_not

NOT_APPROVED = "This costs more than this credential may spend without a person's approval."
UNKNOWN = "This credential is not known to the payment service."


async def reserve(
    tx: Transaction, request: PlaceHold, placed: Placed, here: Envelope, *, asks: bool = True
) -> str | None:
    """Count a hold that was just stored, and what came free of the one that it replaces.

    Args:
        tx: the transaction in which it was stored.
        request: what was asked for.
        placed: what storing it came to.
        here: the envelope, which names the credential.
        asks: whether a person has to have approved it, when its credential has such a limit.

    Returns:
        Why its credential may not spend that, as a sentence; None when it may, or has no limits.
    """
    mine, former = here.spender, placed.freed_of if placed.freed else None
    if mine is None and former is None:
        return None
    known = await store.lock(tx.conn, {id_ for id_ in (mine, former) if id_})
    if former in known:
        await store.move(tx.conn, former, -placed.freed, Decimal(0))
    if mine is None:
        return None
    spender = known.get(mine)
    if spender is None or spender.account != here.account:
        return UNKNOWN
    spent = spender.held + spender.captured - (placed.freed if former == mine else 0)
    nothing = Decimal(0)
    in_task, today = nothing, nothing
    if spender.per_task is not None:
        in_task = await store.in_task(tx.conn, mine, request.task_id)
    if spender.per_day is not None:
        today = await store.today(tx.conn, mine)
    limits = Limits(
        most=spender.most,
        per_task=spender.per_task,
        per_day=spender.per_day,
        agents=spender.agents,
        expires_at=spender.expires_at,
        closed=spender.closed_at is not None,
        spent=spent,
        in_task=in_task,
        today=today,
    )
    if why := why_not(limits, request.agent_id, request.amount, datetime.now(UTC)):
        return why
    asks_above = spender.approve_above
    if asks and asks_above is not None and request.amount > asks_above:
        approved = await store_approvals.approved(tx.conn, request.hold_id, mine)
        if approved is None or request.amount > approved:
            return NOT_APPROVED
    await store.move(tx.conn, mine, request.amount, nothing)
    return None
