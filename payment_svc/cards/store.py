"""SQL of real card payments: which are due, and what came of them.

A payment leaves `pending` by one conditional UPDATE, so whoever comes second changes nothing.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Text, Update, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after
from contracts.payment import Rail
from payment_svc.ledger.names import called
from payment_svc.tables import stripe_payments

Found = Row[*tuple[Any, ...]]
AT_ONCE = 10
"""Card payments that one look takes in hand."""

_CARD = stripe_payments.c
ANOTHER_TRY = {
    "status": "pending",
    "retries": _CARD.retries + 1,
    "attempts": 0,
    "first_attempt_at": None,
    "next_attempt_at": func.now(),
    "intent_id": None,
    "note": None,
}
"""What makes a payment pending and due again, as a new try."""


async def claim_due(conn: AsyncConnection, lease_s: float) -> Sequence[Found]:
    """Take payments that are due in hand for `lease_s` seconds; nobody else takes them then."""
    due = (
        select(_CARD.id)
        .where(_CARD.next_attempt_at <= func.now(), _CARD.status == "pending")
        .order_by(_CARD.next_attempt_at)
    )
    return await _claimed(conn, due, next_attempt_at=after(lease_s))


async def claim_waiting(conn: AsyncConnection, lease_s: float) -> Sequence[Found]:
    """The same of payments that have waited so long for a webhook that Stripe is to be asked."""
    silent = (
        select(_CARD.id)
        .where(
            _CARD.look_at <= func.now(),
            _CARD.status == "pending",
            _CARD.next_attempt_at.is_(None),
        )
        .order_by(_CARD.look_at)
    )
    return await _claimed(conn, silent, look_at=after(lease_s))


async def _claimed(conn: AsyncConnection, due: Select[tuple[str]], **lease: Any) -> Sequence[Found]:
    chosen = due.limit(AT_ONCE).with_for_update(skip_locked=True).cte("due")
    taken = (
        update(stripe_payments)
        .where(_CARD.id == chosen.c.id)
        .values(
            attempts=_CARD.attempts + 1,
            first_attempt_at=func.coalesce(_CARD.first_attempt_at, func.now()),
            **lease,
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


async def find_own(
    conn: AsyncConnection, account: str, payment_id: str, *, lock: bool = False
) -> Found | None:
    """A card payment of an account, by what the account calls it; locked when asked."""
    query = select(stripe_payments).where(called(stripe_payments, account, payment_id))
    return (await conn.execute(query.with_for_update() if lock else query)).one_or_none()


def pending(payment_id: str, retries: int) -> tuple[ColumnElement[bool], ...]:
    """The conditions of a payment that waits, and is at this try."""
    return _CARD.id == payment_id, _CARD.retries == retries, _CARD.status == "pending"


async def changed(conn: AsyncConnection, change: Update) -> Found | None:
    """A card payment as a change left it; None when the change was of none."""
    found: Found | None = (await conn.execute(change.returning(stripe_payments))).one_or_none()
    return found


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
    return await changed(
        conn,
        update(stripe_payments)
        .where(*pending(payment_id, retries))
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
    return await changed(
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
    again_s: float | None = None,
    look_s: float | None = None,
    intent_id: str | None = None,
    note: str | None = None,
) -> Found | None:
    """Keep a payment pending.

    Args:
        conn: the transaction's.
        payment_id: which.
        retries: the try that this is about.
        again_s: seconds until another attempt; None to wait for a webhook.
        look_s: seconds until Stripe is asked what its webhook has not told; None for never.
        intent_id: Stripe's id of it, when there is one.
        note: why, as a sentence.
    """
    return await changed(
        conn,
        update(stripe_payments)
        .where(*pending(payment_id, retries))
        .values(
            intent_id=func.coalesce(literal(intent_id, Text), _CARD.intent_id),
            note=note,
            next_attempt_at=None if again_s is None else after(again_s),
            look_at=None if look_s is None else after(look_s),
        ),
    )


async def begin_again(conn: AsyncConnection, payment_id: str) -> Found | None:
    """Make a failed purchase or refund pending and due again, as a new try; None if it is not."""
    return await changed(
        conn,
        update(stripe_payments)
        .where(
            _CARD.id == payment_id,
            _CARD.status == "failed",
            or_(_CARD.type == "card_spend", _CARD.refund_of.is_not(None)),
        )
        .values(ANOTHER_TRY),
    )


async def new_key(
    conn: AsyncConnection,
    payment: Found,
    *,
    again_s: float | None,
    status: str = "pending",
    note: str | None = None,
) -> Found | None:
    """Begin a new try, with an idempotency key of its own; None when somebody else did.

    What is known of the try before is forgotten: its page, its payment at Stripe.
    """
    return await changed(
        conn,
        update(stripe_payments)
        .where(
            _CARD.id == payment.id,
            _CARD.retries == payment.retries,
            _CARD.status != "completed",
        )
        .values(
            status=status,
            retries=_CARD.retries + 1,
            intent_id=None,
            session_id=None,
            page_url=None,
            note=note,
            first_attempt_at=None,
            next_attempt_at=None if again_s is None else after(again_s),
        ),
    )


async def insert_load(
    conn: AsyncConnection,
    payment_id: str,
    account: str,
    amount: Decimal,
    abandon_s: float,
    asked_id: str | None = None,
    rail: Rail = "stripe",
) -> bool:
    """Store a top-up before its page is opened; it is given up if no page is known in time.

    On the simulated rail there is no page, and nothing to be paid.

    Returns:
        False when the id is known.
    """
    done = await conn.execute(
        upsert(stripe_payments)
        .values(
            id=payment_id,
            account=account,
            agent_id="",
            vendor="Stripe Checkout" if rail == "stripe" else "Simulated top-up",
            amount=amount,
            status="pending",
            type="balance_load",
            rail=rail,
            next_attempt_at=after(abandon_s),
            asked_id=asked_id,
        )
        .on_conflict_do_nothing()
    )
    return done.rowcount == 1


async def set_session(
    conn: AsyncConnection, payment: Found, session_id: str, url: str, look_s: float
) -> Found | None:
    """Note the checkout page of a top-up; webhooks decide, and a look now and then.

    One that was given up for want of a page waits again. None when its page is known, or another
    one is opened by now.
    """
    return await changed(
        conn,
        update(stripe_payments)
        .where(
            _CARD.id == payment.id,
            _CARD.retries == payment.retries,
            _CARD.session_id.is_(None),
            _CARD.status != "completed",
        )
        .values(
            session_id=session_id,
            page_url=url,
            status="pending",
            note=None,
            next_attempt_at=None,
            look_at=after(look_s),
        ),
    )
