"""SQL of disputes. Nothing here commits. A dispute is locked before the hold that it is about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_svc.tables import disputes, earnings

Found = Row[*tuple[Any, ...]]
_DISPUTE = disputes.c


async def owner_of(conn: AsyncConnection, step_id: str) -> str | None:
    """Whose agent was paid for a step; None when it was the operator's own."""
    query = select(earnings.c.owner).where(earnings.c.step_id == step_id)
    return (await conn.execute(query)).scalar_one_or_none()


async def add(conn: AsyncConnection, values: dict[str, Any]) -> Found | None:
    """Store a dispute; None when the id is taken, or the step was disputed before."""
    query = insert(disputes).values(values).on_conflict_do_nothing().returning(disputes)
    stored: Found | None = (await conn.execute(query)).one_or_none()
    return stored


async def find(conn: AsyncConnection, dispute_id: str, *, lock: bool = False) -> Found | None:
    """A dispute, locked until the end of the transaction when asked."""
    query = select(disputes).where(_DISPUTE.id == dispute_id)
    return (await conn.execute(query.with_for_update() if lock else query)).one_or_none()


async def change(conn: AsyncConnection, dispute_id: str, values: dict[str, Any]) -> Found:
    """Change a dispute, which is locked."""
    query = update(disputes).where(_DISPUTE.id == dispute_id).values(values).returning(disputes)
    changed: Found = (await conn.execute(query)).one()
    return changed


async def freeze(conn: AsyncConnection, step_id: str, *, frozen: bool) -> None:
    """Keep a step's pay from being settled, or no longer; what was settled is."""
    query = update(earnings).where(earnings.c.step_id == step_id, earnings.c.settled_at.is_(None))
    await conn.execute(query.values(frozen=frozen))


async def page(
    conn: AsyncConnection, account: str | None, limit: int, before: tuple[datetime, str] | None
) -> Sequence[Found]:
    """Disputes of an account on either side, or of all, newest first, one more than `limit`."""
    query = (
        select(disputes).order_by(_DISPUTE.created_at.desc(), _DISPUTE.id.desc()).limit(limit + 1)
    )
    if account is not None:
        query = query.where(or_(_DISPUTE.payer == account, _DISPUTE.seller == account))
    if before is not None:
        query = query.where(tuple_(_DISPUTE.created_at, _DISPUTE.id) < before)
    return (await conn.execute(query)).all()


def decided(status: str, note: str | None) -> dict[str, Any]:
    """What a decision changes."""
    return {"status": status, "decision_note": note, "decided_at": func.now()}
