"""SQL of top-ups that Stripe takes back: what it told, and what that moved."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, and_, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import days
from payment_svc.domain import Reversal
from payment_svc.tables import card_reversals, ledger_accounts, stripe_payments, top_up_returns

Found = Row[*tuple[Any, ...]]

_KNOWN = card_reversals.c
_CARD = stripe_payments.c
_ACCOUNT = ledger_accounts.c
_LOCKS = 7_201_995
"""Keeps these locks apart from others of the database."""


async def lock_intent(conn: AsyncConnection, intent_id: str) -> None:
    """Let nobody else handle what was told of this payment at Stripe until the end.

    It comes before any row's lock: a refund can be told of before it is known what was paid.
    """
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:intent, :seed))")
    await conn.execute(lock, {"intent": intent_id, "seed": _LOCKS})


async def payment_of(conn: AsyncConnection, intent_id: str) -> Found | None:
    """The card payment that a payment at Stripe is of, locked; never a refund."""
    query = select(stripe_payments).where(_CARD.intent_id == intent_id)
    return (await conn.execute(query.limit(1).with_for_update())).one_or_none()


async def keep(conn: AsyncConnection, told: Reversal) -> None:
    """Remember what was told of a refund, a dispute or a charge, unless more is known by now."""
    fresh = upsert(card_reversals).values(
        id=told.id,
        intent_id=told.intent_id,
        kind=told.kind,
        amount=told.amount,
        taken=told.taken,
        rank=told.rank,
        told_at=told.told_at,
    )
    new = fresh.excluded
    as_late = and_(
        new.told_at == _KNOWN.told_at,
        # Of two ends within a second the one that gives back; of two sums of refunds the larger.
        or_(and_(_KNOWN.taken, ~new.taken), new.amount > _KNOWN.amount),
    )
    later = and_(new.rank == _KNOWN.rank, or_(new.told_at > _KNOWN.told_at, as_late))
    await conn.execute(
        fresh.on_conflict_do_update(
            index_elements=[_KNOWN.id],
            set_={name: new[name] for name in ("amount", "taken", "rank", "told_at")},
            where=or_(new.rank > _KNOWN.rank, later),
        )
    )


async def known_of(conn: AsyncConnection, intent_id: str) -> Sequence[Reversal]:
    """All that was told of a payment at Stripe."""
    query = select(card_reversals).where(_KNOWN.intent_id == intent_id)
    return [
        Reversal(row.id, row.intent_id, row.kind, row.amount, row.taken, row.rank, row.told_at)
        for row in await conn.execute(query)
    ]


async def take(
    conn: AsyncConnection, payment: Found, wallet: str, amount: Decimal, note: str | None
) -> Found:
    """Take `amount` more of a top-up, which is locked, out of its wallet; what it lacks is owed.

    Args:
        conn: the transaction's.
        payment: its row.
        wallet: its ledger account.
        amount: BazaarBucks; negative when they come back.
        note: what people are told of it.

    Returns:
        The top-up as it is then.
    """
    lacking = _ACCOUNT.held - _ACCOUNT.posted + amount
    await conn.execute(
        update(ledger_accounts)
        .where(_ACCOUNT.id == wallet)
        .values(posted=_ACCOUNT.posted - amount, owed=func.greatest(0, lacking))
    )
    changed: Found = (
        await conn.execute(
            update(stripe_payments)
            .where(_CARD.id == payment.id)
            .values(taken_back=_CARD.taken_back + amount, note=note)
            .returning(stripe_payments)
        )
    ).one()
    return changed


async def record(conn: AsyncConnection, transfer_id: str, payment_id: str, amount: Decimal) -> None:
    """Record which transfer took a top-up back, or gave it again."""
    values = {"transfer_id": transfer_id, "payment_id": payment_id, "amount": amount}
    await conn.execute(insert(top_up_returns).values(values))


async def forget_strangers(conn: AsyncConnection, older_than_days: int, at_most: int) -> int:
    """Drop what was told of payments that nobody here has heard of for so long; how many went."""
    known = exists().where(_CARD.intent_id == _KNOWN.intent_id)
    old = _KNOWN.received_at < func.now() - days(older_than_days)
    some = select(_KNOWN.id).where(old, ~known).order_by(_KNOWN.received_at).limit(at_most)
    gone = await conn.execute(delete(card_reversals).where(_KNOWN.id.in_(some)))
    return gone.rowcount
