"""SQL of purchases by card that are given back. Each purchase has at most one refund."""

from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_svc.cards.store import ANOTHER_TRY, Found, changed
from payment_svc.rows import Hold
from payment_svc.tables import stripe_payments

VENDOR_LENGTH = 200

_CARD = stripe_payments.c


async def lock_purchase_of(conn: AsyncConnection, hold: Hold) -> Found:
    """The purchase by card for a captured hold that has one, locked."""
    query = select(stripe_payments).where(
        _CARD.account == hold.account,
        # It was recorded in the transaction that resolved the hold; so the index of pages finds it.
        _CARD.created_at == hold.resolved_at,
        _CARD.step_id == hold.id,
        _CARD.type == "card_spend",
    )
    return (await conn.execute(query.with_for_update())).one()


async def of(conn: AsyncConnection, purchase_id: str) -> Found | None:
    """The refund of a purchase."""
    query = select(stripe_payments).where(_CARD.refund_of == purchase_id)
    return (await conn.execute(query)).one_or_none()


def values_of(purchase: Found, refund_id: str, status: str, note: str | None) -> dict[str, Any]:
    """The row of a purchase's refund, due at once when it is pending."""
    return {
        "id": refund_id,
        "account": purchase.account,
        "task_id": purchase.task_id,
        "step_id": purchase.step_id,
        "agent_id": purchase.agent_id,
        "vendor": f"Refund: {purchase.vendor}"[:VENDOR_LENGTH],
        "amount": purchase.amount,
        "status": status,
        "type": "balance_load",
        "rail": purchase.rail,
        "refund_of": purchase.id,
        "note": note,
        "next_attempt_at": func.now() if status == "pending" else None,
    }


async def stop(conn: AsyncConnection, purchase: Found, note: str) -> Found | None:
    """Give a locked purchase up that Stripe was never asked for; None when it was."""
    changed = (
        update(stripe_payments)
        .where(
            _CARD.id == purchase.id,
            _CARD.status == "pending",
            _CARD.attempts == 0,
            _CARD.retries == 0,  # An earlier try may have charged the card after all.
        )
        .values(status="failed", note=note, next_attempt_at=None)
    )
    found: Found | None = (await conn.execute(changed.returning(stripe_payments))).one_or_none()
    return found


async def fail(conn: AsyncConnection, refund: Found, stripe_id: str, note: str) -> Found | None:
    """A refund came to nothing, even one that had been completed; None when it has failed."""
    return await changed(
        conn,
        update(stripe_payments)
        .where(_CARD.id == refund.id, _CARD.status != "failed")
        .values(status="failed", intent_id=stripe_id, note=note, next_attempt_at=None),
    )


async def reopen(conn: AsyncConnection, purchase_id: str) -> Found | None:
    """Make the refund of a purchase due that was closed because nothing seemed to be charged."""
    this = (_CARD.refund_of == purchase_id, _CARD.status != "pending", _CARD.intent_id.is_(None))
    return await changed(conn, update(stripe_payments).where(*this).values(ANOTHER_TRY))
