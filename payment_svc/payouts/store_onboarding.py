"""SQL of where sellers are paid, and whether Stripe pays them there. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after
from payment_svc.tables import sellers

Found = Row[*tuple[Any, ...]]
AT_ONCE = 10
"""Sellers that one look asks Stripe about."""
_SELLER = sellers.c


async def set_destination(
    conn: AsyncConnection, account: str, destination: str, every_s: float, *, keep: bool = False
) -> str:
    """Keep where a seller is paid; Stripe is asked about it soon. Where it is paid now.

    Args:
        conn: the transaction's.
        account: whose.
        destination: the connected account at Stripe.
        every_s: who is new is paid so many seconds from now without asking.
        keep: whether one that is named already stays.
    """
    named = {"destination": destination, "payable": None, "needs": None, "look_at": func.now()}
    fresh = upsert(sellers).values(account=account, next_payout_at=after(every_s), **named)
    query = fresh.on_conflict_do_update(
        index_elements=[_SELLER.account],
        set_=named,
        where=_SELLER.destination.is_(None) if keep else None,
    )
    await conn.execute(query)
    known = select(_SELLER.destination).where(_SELLER.account == account)
    return str((await conn.execute(known)).scalar_one())


async def look_soon(conn: AsyncConnection, destination: str) -> int:
    """Have Stripe asked about an account there; how many sellers are paid to it."""
    query = update(sellers).where(_SELLER.destination == destination).values(look_at=func.now())
    return int((await conn.execute(query)).rowcount)


async def claim_looks(conn: AsyncConnection, lease_s: float) -> Sequence[Found]:
    """Sellers whom Stripe is to be asked about now; nobody else asks for `lease_s` seconds."""
    due = (
        select(_SELLER.account)
        .where(_SELLER.look_at <= func.now())
        .order_by(_SELLER.look_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    query = (
        update(sellers)
        .where(_SELLER.account == due.c.account)
        .values(look_at=after(lease_s))
        .returning(_SELLER.account, _SELLER.destination, _SELLER.look_at)
    )
    found: Sequence[Found] = (await conn.execute(query)).all()
    return found


async def seen(
    conn: AsyncConnection, looked: Found, *, payable: bool, needs: Sequence[str], again_s: float
) -> bool:
    """Keep what Stripe says of a seller, unless it has another account or is to be asked again."""
    query = (
        update(sellers)
        .where(
            _SELLER.account == looked.account,
            _SELLER.destination == looked.destination,
            _SELLER.look_at == looked.look_at,
        )
        .values(payable=payable, needs=list(needs), look_at=after(again_s))
    )
    return (await conn.execute(query)).rowcount == 1
