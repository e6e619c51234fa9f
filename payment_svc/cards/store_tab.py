"""SQL of purchases that are too small to be charged by themselves: they wait for the next one."""

from decimal import Decimal

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_svc.cards.store import Found, changed, pending
from payment_svc.tables import stripe_payments

_CARD = stripe_payments.c


async def total(conn: AsyncConnection, purchase_id: str) -> Decimal:
    """What is charged for a purchase, with those that it carries, in BazaarBucks."""
    own = select(_CARD.amount).where(_CARD.id == purchase_id).scalar_subquery()
    with_it = select(func.coalesce(func.sum(_CARD.amount), 0)).where(
        _CARD.on_tab, _CARD.charged_with == purchase_id
    )
    found = await conn.execute(select(own + with_it.scalar_subquery()))
    return Decimal(found.scalar_one())


async def carry(conn: AsyncConnection, purchase_id: str) -> None:
    """Have a purchase that is about to be charged carry all that waits for one."""
    waiting = (
        select(_CARD.id)
        .where(_CARD.on_tab, _CARD.charged_with.is_(None))
        .with_for_update(skip_locked=True)
        .cte("waiting")
    )
    await conn.execute(
        update(stripe_payments).where(_CARD.id == waiting.c.id).values(charged_with=purchase_id)
    )


async def let_go(conn: AsyncConnection, purchase_id: str) -> None:
    """Have what a purchase carried wait for another one: nothing was charged."""
    await conn.execute(
        update(stripe_payments)
        .where(_CARD.on_tab, _CARD.charged_with == purchase_id)
        .values(charged_with=None)
    )


async def put(conn: AsyncConnection, purchase: Found, note: str) -> Found | None:
    """Have a purchase itself wait for another one; None when it is not pending any more."""
    return await changed(
        conn,
        update(stripe_payments)
        .where(*pending(purchase.id, purchase.retries))
        .values(status="completed", on_tab=True, note=note, next_attempt_at=None),
    )


async def strike(conn: AsyncConnection, purchase_id: str) -> bool:
    """Have a purchase not be charged any more; False when another one carries it by now."""
    done = await conn.execute(
        update(stripe_payments)
        .where(_CARD.id == purchase_id, _CARD.on_tab, _CARD.charged_with.is_(None))
        .values(on_tab=False)
    )
    return done.rowcount == 1
