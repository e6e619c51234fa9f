"""What a seller asks: what was earned, and to be paid."""

from datetime import date
from decimal import Decimal

from chassis.bus.envelopes import new_id
from chassis.db.pages import decode_cursor, encode_cursor, next_in_time, place_in_time
from chassis.db.transaction import Transaction
from chassis.handling.injection import Reading
from contracts.envelope import Envelope
from contracts.errors import Conflict, Invalid
from contracts.selling import (
    EarningsLine,
    EarningsList,
    GetSeller,
    ListEarnings,
    ListPayouts,
    Onboarding,
    PayoutList,
    PayoutReply,
    PayoutRequested,
    PayoutView,
    RequestPayout,
    SellerView,
    SetDestination,
)
from payment_svc.domain import Transfer
from payment_svc.ledger import names
from payment_svc.ledger import store as store_ledger
from payment_svc.payouts import store, store_onboarding
from payment_svc.payouts.domain import payable, payout_postings
from payment_svc.payouts.onboarding import refusal
from payment_svc.settings import Settings

TAKEN = "This payout id was used for another amount."


async def get_seller(
    _request: GetSeller, tx: Reading, here: Envelope, settings: Settings
) -> SellerView:
    """What the account has earned, and what of that it can be paid."""
    return await _seller(tx, here.account, settings)


async def set_destination(
    request: SetDestination, tx: Transaction, here: Envelope, settings: Settings
) -> SellerView:
    """Say where the account is paid; payouts that were asked for go where they were to go."""
    every_s = settings.payout_every_s or 0
    await store_onboarding.set_destination(tx.conn, here.account, request.destination, every_s)
    return await _seller(tx, here.account, settings)


async def _seller(tx: Transaction, account: str, settings: Settings) -> SellerView:
    has = await store.balance(tx.conn, account)
    posted = has.posted if has else Decimal(0)
    known = await store.seller(tx.conn, account)
    sums = await store.sums(tx.conn, account)
    return SellerView(
        account=account,
        waiting=sums.waiting,
        available=max(posted, Decimal(0)),
        owed=max(-posted, Decimal(0)),
        pending=sums.pending,
        paid=sums.paid,
        rail=settings.rail,
        destination=known.destination if known else None,
        onboarding=_onboarding(known),
        needs=(known.needs or []) if known else [],
    )


def _onboarding(known: store.Found | None) -> Onboarding:
    if known is None or known.destination is None:
        return "none"
    if known.payable is None:
        return "unknown"
    return "complete" if known.payable else "incomplete"


async def list_earnings(request: ListEarnings, tx: Reading, here: Envelope) -> EarningsList:
    """What the account's agents earned, by day and agent, newest first.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    day, agent = _place(request.cursor)
    rows = await store.lines(
        tx.conn,
        here.account,
        request.limit,
        agent_id=request.agent_id,
        since=request.since,
        until=request.until,
        day=day,
        agent=agent,
    )
    shown = rows[: request.limit]
    more = len(rows) > len(shown)
    return EarningsList(
        lines=[EarningsLine.model_validate(row, from_attributes=True) for row in shown],
        next_cursor=encode_cursor(str(shown[-1].day), shown[-1].agent_id) if more else None,
    )


def _place(cursor: str | None) -> tuple[date | None, str | None]:
    if cursor is None:
        return None, None
    day, agent = decode_cursor(cursor, 2)
    try:
        return date.fromisoformat(day), agent
    except ValueError:
        raise Invalid("The cursor is not one of ours.") from None


async def request_payout(
    request: RequestPayout, tx: Transaction, here: Envelope, settings: Settings
) -> PayoutReply:
    """Take what is available, or `amount` of it, to be paid out.

    Raises:
        Conflict: there is not as much, or too little; nobody said where to; the id is taken.
    """
    await names.lock(tx.conn, here.account, request.payout_id)
    known = await store.find_asked(tx.conn, here.account, request.payout_id)
    if known is not None:
        if known.asked != request.amount:
            raise Conflict(TAKEN)
        return PayoutReply(payout=_view(known))
    return PayoutReply(
        payout=await take(tx, here.account, settings, request.amount, request.payout_id)
    )


async def take(
    tx: Transaction,
    account: str,
    settings: Settings,
    asked: Decimal | None = None,
    asked_id: str | None = None,
) -> PayoutView:
    """Make a payout of what a seller has.

    Raises:
        Conflict: there is not as much, or too little; nobody said where to.
    """
    known = await store.seller(tx.conn, account)
    destination = known.destination if known else None
    if settings.rail == "stripe" and (why := refusal(known)) is not None:
        raise Conflict(why)
    has = await store.balance(tx.conn, account, lock=True)
    available = payable(has.posted if has else Decimal(0))
    amount = available if asked is None else asked
    if amount > available:
        raise Conflict(f"Only {available.normalize():f} BazaarBucks can be paid out now.")
    if amount < settings.payout_least or not amount:
        least = settings.payout_least.normalize()
        raise Conflict(f"A payout is of at least {least:f} BazaarBucks; there is {amount:f}.")
    payout = await store.insert(
        tx.conn,
        {
            "id": new_id(),
            "owner": account,
            "asked_id": asked_id,
            "asked": asked,
            "amount": amount,
            "rail": settings.rail,
            "destination": destination if settings.rail == "stripe" else None,
        },
    )
    postings = payout_postings(account, amount)
    await store_ledger.shift(tx.conn, postings)
    transfer = Transfer(new_id(), account, "payout", postings, step_id=payout.id)
    await store_ledger.post(tx.conn, [transfer])
    tx.publish(
        PayoutRequested(payout_id=payout.id, amount=amount, rail=payout.rail), account=account
    )
    return _view(payout)


def _view(row: store.Found) -> PayoutView:
    return PayoutView.model_validate(row, from_attributes=True)


async def list_payouts(request: ListPayouts, tx: Reading, here: Envelope) -> PayoutList:
    """The account's payouts, newest first."""
    rows = await store.page(tx.conn, here.account, request.limit, place_in_time(request))
    found = [_view(row) for row in rows[: request.limit]]
    return PayoutList(payouts=found, next_cursor=next_in_time(rows, request.limit))
