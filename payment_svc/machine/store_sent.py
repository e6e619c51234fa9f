"""SQL of payments that were signed for agents. Nothing here commits."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import days
from payment_svc.tables import machine_payments

Found = Row[*tuple[Any, ...]]
_IT = machine_payments.c
_SIGNS = 7_201_996
"""The database-wide lock of whoever signs."""


async def of_work(conn: AsyncConnection, account: str, work: str) -> Found | None:
    """The payment for a piece of work that may have been taken; locked."""
    query = (
        select(machine_payments)
        .where(_IT.account == account, _IT.work == work, _IT.status == "signed")
        .with_for_update()
    )
    return (await conn.execute(query)).one_or_none()


async def lapse(conn: AsyncConnection, id_: str) -> None:
    """Note that a payment cannot be taken any more."""
    await conn.execute(update(machine_payments).where(_IT.id == id_).values(status="lapsed"))


async def moved(conn: AsyncConnection, id_: str, hold_id: str) -> None:
    """Have another hold pay for it: that of a further try of the same work."""
    await conn.execute(update(machine_payments).where(_IT.id == id_).values(hold_id=hold_id))


async def promised(conn: AsyncConnection, hold_id: str) -> Decimal:
    """What was signed on a hold and may have been taken, in BazaarBucks."""
    query = select(func.coalesce(func.sum(_IT.amount), 0)).where(
        _IT.hold_id == hold_id, _IT.status == "signed"
    )
    return Decimal((await conn.execute(query)).scalar_one())


class Out(NamedTuple):
    """What was signed in a day and has no result, in BazaarBucks."""

    all: Decimal
    of_agent: Decimal


async def out(conn: AsyncConnection, agent_id: str) -> Out:
    """What may have been taken for nothing; nobody else signs before the transaction's end."""
    await conn.execute(select(func.pg_advisory_xact_lock(_SIGNS)))
    of_agent = func.sum(_IT.amount).filter(_IT.agent_id == agent_id)
    query = select(func.coalesce(func.sum(_IT.amount), 0), func.coalesce(of_agent, 0)).where(
        _IT.status == "signed", _IT.created_at > func.now() - days(1)
    )
    return Out(*(await conn.execute(query)).one())


async def keep(conn: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Store a payment before anybody gets it."""
    await conn.execute(machine_payments.insert().values(**values))


async def pay(conn: AsyncConnection, hold_ids: Sequence[str]) -> set[str]:
    """Note that what was signed on these holds is paid for; the holds of which there is some."""
    query = (
        update(machine_payments)
        .where(_IT.hold_id.in_(hold_ids), _IT.status == "signed")
        .values(status="paid")
        .returning(_IT.hold_id)
    )
    return set((await conn.execute(query)).scalars())
