"""SQL of payments that came in. Nothing here commits."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after
from payment_svc.tables import machine_receipts

Found = Row[*tuple[Any, ...]]
AT_ONCE = 10
"""Payments that one look takes in hand."""
_IT = machine_receipts.c
_OPEN = _IT.status.in_(("new", "sent"))


async def remember(
    conn: AsyncConnection, values: Mapping[str, Any], lease_s: float
) -> Found | None:
    """Store a payment before anything is done with it, in hand; None when its nonce is known."""
    query = (
        upsert(machine_receipts)
        .values(**values, next_attempt_at=after(lease_s), attempts=1)
        .on_conflict_do_nothing(constraint="one_receipt_per_nonce")
        .returning(machine_receipts)
    )
    stored: Found | None = (await conn.execute(query)).one_or_none()
    return stored


async def known(conn: AsyncConnection, values: Mapping[str, Any]) -> Found:
    """The payment of a nonce that is known."""
    same = [_IT[name] == values[name] for name in ("network", "asset", "payer", "nonce")]
    return (await conn.execute(select(machine_receipts).where(*same))).one()


async def claim(conn: AsyncConnection, id_: str, lease_s: float) -> Found | None:
    """Take a payment in hand that is not over, and that nobody has in hand; None otherwise."""
    return await _changed(
        conn,
        (_IT.id == id_, _OPEN, _IT.next_attempt_at <= func.now()),
        next_attempt_at=after(lease_s),
        attempts=_IT.attempts + 1,
    )


async def claim_sent(conn: AsyncConnection, lease_s: float) -> Sequence[Found]:
    """Take payments in hand of which nobody knows whether they were settled."""
    due = (
        select(_IT.id)
        .where(_IT.status == "sent", _IT.next_attempt_at <= func.now())
        .order_by(_IT.next_attempt_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    taken = (
        update(machine_receipts)
        .where(_IT.id == due.c.id)
        .values(next_attempt_at=after(lease_s), attempts=_IT.attempts + 1)
        .returning(machine_receipts)
    )
    found: Sequence[Found] = (await conn.execute(taken)).all()
    return found


async def send(conn: AsyncConnection, row: Found) -> bool:
    """Note that a payment is being sent to be settled; False when somebody else has it in hand."""
    mine = (_IT.id == row.id, _IT.attempts == row.attempts, _IT.status == "new")
    return await _changed(conn, mine, status="sent", note=None) is not None


async def settle(conn: AsyncConnection, id_: str, transaction: str) -> Found | None:
    """Note that a payment was settled; None when that was known, or it was refused."""
    return await _changed(
        conn, (_IT.id == id_, _OPEN), status="settled", transaction=transaction, note=None
    )


async def is_credited(conn: AsyncConnection, network: str, transaction: str) -> bool:
    """Whether a transaction has paid for something already."""
    query = select(exists().where(_IT.network == network, _IT.transaction == transaction))
    return bool((await conn.execute(query)).scalar_one())


async def refuse(conn: AsyncConnection, id_: str, why: str) -> Found | None:
    """Note that a payment came to nothing, and never will; None when it is over already."""
    return await _changed(conn, (_IT.id == id_, _OPEN), status="refused", note=why)


async def doubt(conn: AsyncConnection, id_: str, why: str) -> Found | None:
    """Leave a payment to a person: nobody says what became of it."""
    return await _changed(conn, (_IT.id == id_, _OPEN), status="doubt", note=why)


async def put_off(conn: AsyncConnection, row: Found, again_s: float, why: str) -> None:
    """Give a payment out of hand, to be looked at again in so many seconds."""
    mine = (_IT.id == row.id, _IT.attempts == row.attempts, _OPEN)
    await _changed(conn, mine, next_attempt_at=after(again_s), note=why)


async def _changed(conn: AsyncConnection, where: tuple[Any, ...], **to: Any) -> Found | None:
    query = update(machine_receipts).where(*where).values(**to).returning(machine_receipts)
    changed: Found | None = (await conn.execute(query)).one_or_none()
    return changed
