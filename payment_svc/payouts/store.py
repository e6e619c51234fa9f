"""SQL of what is settled, and of payouts. Nothing here commits.

Rows are locked in one order: earnings or payouts first, then ledger accounts by name.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, case, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after, seconds
from payment_svc.domain import seller_of
from payment_svc.payouts.domain import Settled
from payment_svc.tables import earnings, ledger_accounts, payouts, sellers

Found = Row[*tuple[Any, ...]]
AT_ONCE = 10
"""Payouts that one look takes in hand."""
_PAYOUT = payouts.c
_WAITS = and_(earnings.c.settled_at.is_(None), earnings.c.owner.is_not(None), earnings.c.amount > 0)


async def claim_due(conn: AsyncConnection, delay_s: float, limit: int) -> list[Settled]:
    """Earnings that are `delay_s` seconds old and not settled, locked; the oldest first."""
    query = (
        select(
            earnings.c.step_id,
            earnings.c.agent_id,
            earnings.c.owner,
            earnings.c.amount - earnings.c.returned,
        )
        .where(
            _WAITS,
            earnings.c.frozen.is_(False),
            earnings.c.earned_at <= func.now() - seconds(delay_s),
        )
        .order_by(earnings.c.earned_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Settled(*row) for row in await conn.execute(query)]


async def settle(conn: AsyncConnection, transfer_id: str, steps: Sequence[str]) -> None:
    """Note that what is left of these earnings, which are locked, is their seller's."""
    await conn.execute(
        update(earnings)
        .where(earnings.c.step_id.in_(steps), earnings.c.settled_at.is_(None))
        .values(
            settled_at=func.now(),
            settled=earnings.c.amount - earnings.c.returned,
            transfer_id=transfer_id,
        )
    )


async def add_seller(conn: AsyncConnection, account: str, every_s: float) -> None:
    """Keep that an account sells; it is paid `every_s` seconds from now without asking."""
    values = {"account": account, "next_payout_at": after(every_s)}
    await conn.execute(upsert(sellers).values(values).on_conflict_do_nothing())


async def seller(conn: AsyncConnection, account: str) -> Found | None:
    """What is known of a seller."""
    query = select(sellers).where(sellers.c.account == account)
    return (await conn.execute(query)).one_or_none()


async def never_by_itself(conn: AsyncConnection, account: str) -> None:
    """Pay a seller out no more unless it is asked for."""
    never = {"next_payout_at": text("'infinity'")}
    fresh = upsert(sellers).values(account=account, **never)
    await conn.execute(fresh.on_conflict_do_update(index_elements=[sellers.c.account], set_=never))


async def claim_scheduled(conn: AsyncConnection, every_s: float) -> Sequence[Found]:
    """Sellers whose next payout is due; it is due again in `every_s` seconds."""
    due = (
        select(sellers.c.account)
        .where(sellers.c.next_payout_at <= func.now())
        .order_by(sellers.c.next_payout_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    query = (
        update(sellers)
        .where(sellers.c.account == due.c.account)
        .values(next_payout_at=after(every_s))
        .returning(sellers)
    )
    found: Sequence[Found] = (await conn.execute(query)).all()
    return found


async def balance(conn: AsyncConnection, account: str, *, lock: bool = False) -> Found | None:
    """What a seller has, locked until the end of the transaction when asked; None for nothing."""
    query = select(ledger_accounts).where(ledger_accounts.c.id == seller_of(account))
    return (await conn.execute(query.with_for_update() if lock else query)).one_or_none()


async def sums(conn: AsyncConnection, account: str) -> Found:
    """What of a seller waits to be settled, is on its way, and was paid."""
    waiting = (
        select(func.sum(earnings.c.amount - earnings.c.returned))
        .where(_WAITS, earnings.c.owner == account)
        .scalar_subquery()
    )

    def paid(status: str) -> Any:
        amount = case((_PAYOUT.status == status, _PAYOUT.amount), else_=0)
        return func.coalesce(func.sum(amount), 0).label(status)

    query = select(func.coalesce(waiting, 0).label("waiting"), paid("pending"), paid("paid")).where(
        _PAYOUT.owner == account
    )
    return (await conn.execute(query)).one()


async def find_asked(conn: AsyncConnection, owner: str, asked_id: str) -> Found | None:
    """A payout by what its owner called it."""
    query = select(payouts).where(
        _PAYOUT.owner == owner, or_(_PAYOUT.asked_id == asked_id, _PAYOUT.id == asked_id)
    )
    return (await conn.execute(query)).first()


async def insert(conn: AsyncConnection, values: dict[str, Any]) -> Found:
    """Store a payout that is due at once."""
    query = upsert(payouts).values(**values, status="pending", next_attempt_at=func.now())
    stored: Found = (await conn.execute(query.returning(payouts))).one()
    return stored


async def page(
    conn: AsyncConnection, owner: str, limit: int, before: tuple[datetime, str] | None
) -> Sequence[Found]:
    """A seller's payouts, newest first, one more than `limit` when there are more."""
    query = (
        select(payouts)
        .where(_PAYOUT.owner == owner)
        .order_by(_PAYOUT.created_at.desc(), _PAYOUT.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(tuple_(_PAYOUT.created_at, _PAYOUT.id) < before)
    return (await conn.execute(query)).all()


async def claim_payouts(conn: AsyncConnection, lease_s: float) -> Sequence[Found]:
    """Take payouts that are due in hand for `lease_s` seconds; nobody else takes them then."""
    due = (
        select(_PAYOUT.id)
        .where(_PAYOUT.next_attempt_at <= func.now(), _PAYOUT.status == "pending")
        .order_by(_PAYOUT.next_attempt_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    first = func.coalesce(_PAYOUT.first_attempt_at, func.now())
    query = (
        update(payouts)
        .where(_PAYOUT.id == due.c.id)
        .values(
            attempts=_PAYOUT.attempts + 1, first_attempt_at=first, next_attempt_at=after(lease_s)
        )
        .returning(payouts, (func.now() - first).label("trying_for"))
    )
    found: Sequence[Found] = (await conn.execute(query)).all()
    return found


async def end(
    conn: AsyncConnection, payout: Found, status: str, transfer: str | None, note: str | None
) -> Found | None:
    """End a pending payout; None when it was ended before."""
    query = (
        update(payouts)
        .where(_PAYOUT.id == payout.id, _PAYOUT.status == "pending")
        .values(
            status=status,
            transfer=transfer,
            note=note,
            next_attempt_at=None,
            ended_at=func.now(),
        )
        .returning(payouts)
    )
    ended: Found | None = (await conn.execute(query)).one_or_none()
    return ended


async def put_off(
    conn: AsyncConnection, payout: Found, again_s: float, note: str | None, *, new_key: bool
) -> None:
    """Have a pending payout tried again, perhaps with another key; an older try changes nothing."""
    anew = {"retries": _PAYOUT.retries + 1, "first_attempt_at": None} if new_key else {}
    await conn.execute(
        update(payouts)
        .where(
            _PAYOUT.id == payout.id,
            _PAYOUT.status == "pending",
            _PAYOUT.retries == payout.retries,
        )
        .values(next_attempt_at=after(again_s), note=note, **anew)
    )


_LINES = """
    SELECT day, agent_id,
           count(*) FILTER (WHERE amount > 0) AS jobs, count(*) FILTER (WHERE fault) AS faults,
           sum(amount + fee) AS charged, sum(fee - (refunded - returned)) AS fees,
           sum(refunded) AS refunded, sum(amount - returned) AS earned
    FROM payment.earnings WHERE owner = :owner {more}
    GROUP BY day, agent_id ORDER BY day DESC, agent_id DESC LIMIT :limit"""
_MORE = {
    "agent_id": "AND agent_id = :agent_id",
    "since": "AND day >= :since",
    "until": "AND day <= :until",
    "day": "AND (day, agent_id) < (:day, :agent)",
}


async def lines(conn: AsyncConnection, owner: str, limit: int, **more: Any) -> Sequence[Found]:
    """What a seller earned by day and agent, newest first, one more than `limit` if there is one.

    Args:
        conn: the transaction's.
        owner: the seller's account.
        limit: how many.
        more: `agent_id`, `since` and `until` narrow it; `day` and `agent` are of the line before.
    """
    given = {name: value for name, value in more.items() if value is not None}
    query = _LINES.format(more=" ".join(_MORE[name] for name in given if name in _MORE))
    values = {"owner": owner, "limit": limit + 1, **given}
    return (await conn.execute(text(query), values)).all()
