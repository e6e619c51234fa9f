"""What payers, sellers and admins do about disputes."""

from datetime import UTC, datetime

from chassis.db.pages import next_in_time, place_in_time
from chassis.db.transaction import Transaction
from chassis.handling.injection import Reading
from contracts.disputes import (
    DecideDispute,
    DisputeDecided,
    DisputeList,
    DisputeNoted,
    DisputeOpened,
    DisputeReply,
    DisputeView,
    ListDisputes,
    NoteDispute,
    OpenDispute,
)
from contracts.envelope import Envelope
from contracts.errors import Conflict, NotFound
from contracts.ledger import RefundPayment
from payment_svc.disputes import store
from payment_svc.holds import refund

BEFORE = "This payment was disputed before, or the dispute's id was used for something else."
EARLY = "Nobody has to be asked yet: refund the payment."
DECIDED = "This dispute is decided."
NOT_YOURS = "An admin decides a dispute; its seller may accept it, and its payer may not."


async def open_dispute(
    request: OpenDispute, tx: Transaction, here: Envelope, grace_s: float
) -> DisputeReply:
    """Ask for a payment back; until that is decided, it is not settled.

    Raises:
        NotFound: no such payment in this account.
        Invalid: it is no payment of an agent, or less is left of it than the amount.
        Conflict: nobody has to be asked yet, nothing is left, or it was disputed before.
    """
    payment, hold = await refund.refundable(tx, here.account, request.payment_id)
    values = {
        "id": request.dispute_id,
        "payment_id": request.payment_id,
        "step_id": hold.id,
        "agent_id": payment.agent_id,
        "payer": here.account,
        "amount": request.amount,
        "payer_note": request.note,
    }
    known = await store.find(tx.conn, request.dispute_id)
    if known is not None:
        if any(getattr(known, name) != value for name, value in values.items()):
            raise Conflict(BEFORE)
        return DisputeReply(dispute=_view(known))
    refund.left_of(hold, request.amount)
    if not refund.is_over(hold, grace_s, datetime.now(UTC)):
        raise Conflict(EARLY)
    seller = await store.owner_of(tx.conn, hold.id)
    stored = await store.add(tx.conn, {**values, "seller": seller, "status": "disputed"})
    if stored is None:
        raise Conflict(BEFORE)
    await store.freeze(tx.conn, hold.id, frozen=True)
    _tell(tx, stored, DisputeOpened)
    return DisputeReply(dispute=_view(stored))


async def note_dispute(request: NoteDispute, tx: Transaction, here: Envelope) -> DisputeReply:
    """Say one's own side.

    Raises:
        NotFound: the account is on no side of such a dispute.
        Conflict: it is decided.
    """
    known = await _open(tx, request.dispute_id, here.account)
    side = "payer_note" if known.payer == here.account else "seller_note"
    changed = await store.change(tx.conn, known.id, {side: request.note})
    _tell(tx, changed, DisputeNoted)
    return DisputeReply(dispute=_view(changed))


async def decide_dispute(request: DecideDispute, tx: Transaction, here: Envelope) -> DisputeReply:
    """Give the payer the money back, or not.

    Raises:
        NotFound: the account is not its seller, and no admin.
        Conflict: it is decided, it is not the seller's to refuse, or nothing is left to give back.
    """
    account = None if request.as_admin else here.account
    known = await _open(tx, request.dispute_id, account)
    if not request.as_admin and (known.seller != here.account or not request.accept):
        raise Conflict(NOT_YOURS)
    await store.freeze(tx.conn, known.step_id, frozen=False)
    if request.accept:
        order = RefundPayment(payment_id=known.payment_id, refund_id=known.id, amount=known.amount)
        await refund.refund_of(order, tx, known.payer)
    status = "accepted" if request.accept else "refused"
    changed = await store.change(tx.conn, known.id, store.decided(status, request.note))
    _tell(tx, changed, DisputeDecided)
    return DisputeReply(dispute=_view(changed))


async def list_disputes(request: ListDisputes, tx: Reading, here: Envelope) -> DisputeList:
    """The account's disputes on either side, newest first; an admin's are all."""
    account = None if request.as_admin else here.account
    rows = await store.page(tx.conn, account, request.limit, place_in_time(request))
    found = [_view(row) for row in rows[: request.limit]]
    return DisputeList(disputes=found, next_cursor=next_in_time(rows, request.limit))


async def _open(tx: Transaction, dispute_id: str, account: str | None) -> store.Found:
    known = await store.find(tx.conn, dispute_id, lock=True)
    if known is None or (account is not None and account not in {known.payer, known.seller}):
        raise NotFound("Dispute not found")
    if known.status != "disputed":
        raise Conflict(DECIDED)
    return known


def _tell(tx: Transaction, row: store.Found, event: type[DisputeOpened]) -> None:
    """Tell both sides."""
    for account in dict.fromkeys(filter(None, (row.payer, row.seller))):
        tx.publish(
            event(
                dispute_id=row.id,
                payment_id=row.payment_id,
                agent_id=row.agent_id,
                status=row.status,
            ),
            account=account,
        )


def _view(row: store.Found) -> DisputeView:
    return DisputeView.model_validate(row, from_attributes=True)
