"""SQL of what Stripe's webhook told: stored as it came, handled once."""

from typing import Any

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after
from payment_svc.tables import stripe_events

Found = Row[*tuple[Any, ...]]

_EVENT = stripe_events.c


async def store_event(conn: AsyncConnection, id_: str, type_: str, body: str) -> bool:
    """Store what a webhook told; False when that event is known."""
    done = await conn.execute(
        upsert(stripe_events).values(id=id_, type=type_, body=body).on_conflict_do_nothing()
    )
    return done.rowcount == 1


async def lock_due_event(conn: AsyncConnection) -> Found | None:
    """The oldest event that is to be handled now and that nobody else handles."""
    query = (
        select(stripe_events)
        .where(_EVENT.next_attempt_at <= func.now())
        .order_by(_EVENT.next_attempt_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (await conn.execute(query)).one_or_none()


async def close_event(conn: AsyncConnection, id_: str, outcome: str) -> None:
    """Mark an event as handled, with what came of it."""
    await conn.execute(
        update(stripe_events)
        .where(_EVENT.id == id_)
        .values(next_attempt_at=None, attempts=_EVENT.attempts + 1, outcome=outcome)
    )


async def put_off_event(conn: AsyncConnection, id_: str, why: str) -> None:
    """Try an event again later, each time twice as late, at most in an hour."""
    delay_s = func.least(3600.0, func.power(2.0, func.least(_EVENT.attempts, 12)))
    await conn.execute(
        update(stripe_events)
        .where(_EVENT.id == id_, _EVENT.next_attempt_at.is_not(None))
        .values(
            next_attempt_at=after(delay_s),
            attempts=_EVENT.attempts + 1,
            outcome=why[:500],
        )
    )


async def forget_events(conn: AsyncConnection, older_than_days: int, at_most: int) -> int:
    """Drop handled events that Stripe no longer repeats; how many went."""
    gone = await conn.execute(
        text(
            "DELETE FROM payment.stripe_events WHERE id = ANY(ARRAY("
            "SELECT id FROM payment.stripe_events WHERE next_attempt_at IS NULL "
            "AND received_at < now() - make_interval(days => :days) "
            "ORDER BY received_at LIMIT :most))"
        ),
        {"days": older_than_days, "most": at_most},
    )
    return int(gone.rowcount)
