"""Steps that cost more than their credential may spend unasked: asked for, decided, listed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.db.aging import age
from chassis.db.database import Database
from chassis.db.pages import next_in_time, place_in_time
from chassis.db.transaction import Transaction
from chassis.handling.injection import Reading
from contracts.approvals import (
    ApprovalList,
    ApprovalReply,
    ApprovalState,
    ApprovalView,
    AskApproval,
    DecideApproval,
    ListApprovals,
    StepApprovalDecided,
    StepApprovalRequested,
)
from contracts.envelope import Envelope
from contracts.errors import Conflict, Internal, NotFound
from payment_svc.hooks.telling import tell
from payment_svc.spending import store, store_approvals
from payment_svc.spending.handlers import is_limited

KEPT_DAYS = 31
OF_LIMITED = "A credential that has limits approves nothing."
NONE = "No step with this id waits for approval."
DECIDED = {
    "approved": "This step was approved already.",
    "rejected": "This step was rejected already.",
    "expired": "Nobody approved this step in time; it has failed.",
    "over": "This step has ended.",
}


async def ask_approval(
    request: AskApproval, tx: Transaction, here: Envelope, ttl_s: float
) -> ApprovalReply:
    """Whether a step may go on to its hold; a person is told of one that has to wait, once.

    Raises:
        Conflict: the id is that of another step.
    """
    spender = None if here.spender is None else await store.find(tx.conn, here.spender)
    # Who is not known, or is somebody else's, is refused when money is to be set aside.
    if spender is None or spender.account != here.account:
        return ApprovalReply(state="approved")
    if spender.approve_above is None or request.amount <= spender.approve_above:
        return ApprovalReply(state="approved")
    if request.only_look:
        return ApprovalReply(state="waiting")
    now = datetime.now(UTC)
    expires_at = now + timedelta(seconds=ttl_s)
    values = request.model_dump(by_alias=False, exclude={"only_look"})
    values |= {"account": here.account, "spender": here.spender, "expires_at": expires_at}
    row = await store_approvals.open_(tx.conn, values)
    if row is not None:
        await _announce(tx, row)
        return ApprovalReply(state="waiting")
    return ApprovalReply(state=await _known(request, tx, here, now, expires_at))


async def _known(
    request: AskApproval, tx: Transaction, here: Envelope, now: datetime, expires_at: datetime
) -> ApprovalState:
    row = await store_approvals.lock(tx.conn, request.step_id)
    if row is None or (row.account, row.spender) != (here.account, here.spender):
        raise Conflict("This step id is taken.")
    state: ApprovalState = row.state
    if state == "waiting" and row.expires_at <= now:
        await _settle(tx, request.step_id, "expired")
        return "expired"
    if state in {"waiting", "approved"} and request.amount > row.amount:
        await store_approvals.ask_again(tx.conn, row.step_id, request.amount, expires_at)
        again = await store_approvals.lock(tx.conn, row.step_id)
        if again is not None:
            await _announce(tx, again)
        return "waiting"
    return state


async def decide_approval(request: DecideApproval, tx: Transaction, here: Envelope) -> ApprovalView:
    """Approve a step, or reject it.

    Raises:
        NotFound: nothing of the account waits or waited under this id.
        Conflict: it was decided otherwise, or it is too late, or the credential has limits.
    """
    row = await store_approvals.lock(tx.conn, request.step_id)
    if row is None or row.account != here.account:
        raise NotFound(NONE)
    by = None if here.spender is None else await store.find(tx.conn, here.spender)
    if by is not None and is_limited(by):
        raise Conflict(OF_LIMITED)
    wanted: ApprovalState = "approved" if request.approve else "rejected"
    if row.state == wanted:
        return view(row)
    if row.state != "waiting":
        raise Conflict(DECIDED[row.state])
    if row.expires_at <= datetime.now(UTC):  # The step finds that out, and fails.
        raise Conflict(DECIDED["expired"])
    return view(await _settle(tx, row.step_id, wanted))


async def list_approvals(request: ListApprovals, tx: Reading, here: Envelope) -> ApprovalList:
    """The account's approvals, newest first."""
    before = place_in_time(request)
    rows = await store_approvals.page(tx.conn, here.account, request.limit, before)
    found = [view(row) for row in rows[: request.limit]]
    return ApprovalList(approvals=found, next_cursor=next_in_time(rows, request.limit))


async def on_step_over(tx: Transaction, step_id: str) -> None:
    """A step that never began has ended: nobody is to approve it any more."""
    row = await store_approvals.settle(tx.conn, step_id, "over")
    if row is not None:
        _decided(tx, row)


async def _settle(tx: Transaction, step_id: str, state: ApprovalState) -> store.Found:
    row = await store_approvals.settle(tx.conn, step_id, state)
    if row is None:
        raise Internal("An approval whose row is locked has changed.")
    _decided(tx, row)
    return row


def _decided(tx: Transaction, row: store.Found) -> None:
    tx.publish(StepApprovalDecided(**_about(row), state=row.state), account=row.account)


async def _announce(tx: Transaction, row: store.Found) -> None:
    event = StepApprovalRequested(
        **_about(row), amount=row.amount, spender=row.spender, expires_at=row.expires_at
    )
    tx.publish(event, account=row.account)
    data = event.model_dump(mode="json")
    # Asked for more than before, it is told again.
    said_once = f"{row.step_id}-{row.amount.normalize():f}"
    await tell(tx, row.account, "step.approval_requested", said_once, data)


def _about(row: store.Found) -> dict[str, Any]:
    """The step, as both events name it."""
    return {name: getattr(row, name) for name in ("task_id", "step_id", "agent_id", "turn_id")}


async def forget(db: Database) -> None:
    """Drop what was asked for long ago: its step has begun or ended since."""
    await age(db, store_approvals.forget, KEPT_DAYS)


def view(row: store.Found) -> ApprovalView:
    """An approval, as it is shown."""
    return ApprovalView.model_validate(row, from_attributes=True)
