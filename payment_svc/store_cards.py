"""SQL of real card payments: which are due, what came of them, and what Stripe told.

A payment leaves `pending` by one conditional UPDATE, so whoever comes second changes nothing.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, Text, Update, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_svc.tables import stripe_events, stripe_payments

Found = Row[*tuple[Any, ...]]
AT_ONCE = 10
"""Card payments that one look takes in hand."""

_CARD = stripe_payments.c
_EVENT = stripe_events.c


def _in(seconds: float) -> Any:
    return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


async def claim_due(conn: AsyncConnection, lease_s: float) -> Sequence[Found]:
    """Take payments that are due in hand for `lease_s` seconds; nobody else takes them then."""
    due = (
        select(_CARD.id)
        .where(_CARD.next_attempt_at <= func.now(), _CARD.status == "pending")
        .order_by(_CARD.next_attempt_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    taken = (
        update(stripe_payments)
        .where(_CARD.id == due.c.id)
        .values(
            attempts=_CARD.attempts + 1,
            first_attempt_at=func.coalesce(_CARD.first_attempt_at, func.now()),
            next_attempt_at=_in(lease_s),
        )
        .returning(
            stripe_payments,
            (func.now() - func.coalesce(_CARD.first_attempt_at, func.now())).label("trying_for"),
        )
    )
    found: Sequence[Found] = (await conn.execute(taken)).all()
    return found


async def find(conn: AsyncConnection, payment_id: str, *, lock: bool = False) -> Found | None:
    """A card payment, locked until the end of the transaction when asked."""
    query = select(stripe_payments).where(_CARD.id == payment_id)
    return (await conn.execute(query.with_for_update() if lock else query)).one_or_none()


async def end(
    conn: AsyncConnection,
    payment_id: str,
    retries: int,
    status: str,
    *,
    intent_id: str | None = None,
    note: str | None = None,
) -> Found | None:
    """Complete or fail a pending payment; None when it is not pending or this try is an old one."""
    return await _changed(
        conn,
        update(stripe_payments)
        .where(_CARD.id == payment_id, _CARD.retries == retries, _CARD.status == "pending")
        .values(
            status=status,
            intent_id=func.coalesce(literal(intent_id, Text), _CARD.intent_id),
            note=note,
            next_attempt_at=None,
        ),
    )


async def complete(
    conn: AsyncConnection, payment_id: str, *, intent_id: str | None, session_id: str | None
) -> Found | None:
    """Complete a payment that Stripe says was paid, even one that had failed; None if it is."""
    return await _changed(
        conn,
        update(stripe_payments)
        .where(_CARD.id == payment_id, _CARD.status != "completed")
        .values(
            status="completed",
            intent_id=func.coalesce(literal(intent_id, Text), _CARD.intent_id),
            session_id=func.coalesce(literal(session_id, Text), _CARD.session_id),
            note=None,
            next_attempt_at=None,
        ),
    )


async def wait(
    conn: AsyncConnection,
    payment_id: str,
    retries: int,
    *,
    again_s: float | None,
    intent_id: str | None = None,
    note: str | None = None,
) -> Found | None:
    """Keep a payment pending: until its webhook, or for another attempt in `again_s` seconds."""
    return await _changed(
        conn,
        update(stripe_payments)
        .where(_CARD.id == payment_id, _CARD.retries == retries, _CARD.status == "pending")
        .values(
            intent_id=func.coalesce(literal(intent_id, Text), _CARD.intent_id),
            note=note,
            next_attempt_at=None if again_s is None else _in(again_s),
        ),
    )


async def begin_again(conn: AsyncConnection, payment_id: str) -> Found | None:
    """Make a failed purchase or refund pending and due again, as a new try; None if it is not."""
    return await _changed(
        conn,
        update(stripe_payments)
        .where(
            _CARD.id == payment_id,
            _CARD.status == "failed",
            or_(_CARD.type == "card_spend", _CARD.refund_of.is_not(None)),
        )
        .values(
            status="pending",
            retries=_CARD.retries + 1,
            attempts=0,
            first_attempt_at=None,
            next_attempt_at=func.now(),
            intent_id=None,
            note=None,
        ),
    )


async def _changed(conn: AsyncConnection, change: Update) -> Found | None:
    found: Found | None = (await conn.execute(change.returning(stripe_payments))).one_or_none()
    return found


async def insert_load(
    conn: AsyncConnection, payment_id: str, account: str, amount: Decimal, abandon_s: float
) -> bool:
    """Store a top-up before its page is opened; it is given up if no page is known in time.

    Returns:
        False when the id is known.
    """
    done = await conn.execute(
        upsert(stripe_payments)
        .values(
            id=payment_id,
            account=account,
            agent_id="",
            vendor="Stripe Checkout",
            amount=amount,
            status="pending",
            type="balance_load",
            rail="stripe",
            next_attempt_at=_in(abandon_s),
        )
        .on_conflict_do_nothing()
    )
    return done.rowcount == 1


async def set_session(
    conn: AsyncConnection, payment_id: str, session_id: str, url: str
) -> Found | None:
    """Note the checkout page of a top-up; from here on webhooks decide.

    One that was given up for want of a page waits again. None when its page is known.
    """
    return await _changed(
        conn,
        update(stripe_payments)
        .where(_CARD.id == payment_id, _CARD.session_id.is_(None), _CARD.status != "completed")
        .values(
            session_id=session_id, page_url=url, status="pending", note=None, next_attempt_at=None
        ),
    )


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
            next_attempt_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, delay_s),
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
