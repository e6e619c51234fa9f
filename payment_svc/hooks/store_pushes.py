"""SQL of pushes: who is told how one task goes on. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after, days
from payment_svc.hooks.store import Found
from payment_svc.tables_hooks import pushes, webhook_deliveries, webhooks

AT_ONCE = 32
SOON_S, LATE_S = 1.0, 60.0
"""Seconds between two looks at a task, a quarter of its push's age: at least, and at most."""
_PUSH, _HOOK = pushes.c, webhooks.c


async def about(conn: AsyncConnection, account: str, what: str) -> Sequence[Found]:
    """The pushes of an account about a task, oldest first, each with its webhook."""
    query = (
        select(pushes, _HOOK.url, _HOOK.disabled_at)
        .join(webhooks, _HOOK.id == _PUSH.webhook_id)
        .where(_PUSH.account == account, _PUSH.about == what)
        .order_by(_PUSH.created_at, _PUSH.push_id)
    )
    return (await conn.execute(query)).all()


async def lock_account(conn: AsyncConnection, account: str, what: str) -> None:
    """Let one at a time change the pushes about a task, until the end of the transaction."""
    await conn.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"push {account} {what}", 0)))
    )


async def add(conn: AsyncConnection, hook: dict[str, Any], push: dict[str, Any]) -> None:
    """Store a push with its webhook."""
    await conn.execute(insert(webhooks).values(**hook, events=[], kind="push"))
    await conn.execute(insert(pushes).values(push))


async def remove(conn: AsyncConnection, webhook_id: str) -> None:
    """Drop a push; its webhook goes by `store.remove`."""
    await conn.execute(delete(pushes).where(_PUSH.webhook_id == webhook_id))


async def waiting(conn: AsyncConnection) -> frozenset[str]:
    """The accounts with pushes whose end was not told."""
    query = select(_PUSH.account).where(_PUSH.ended_at.is_(None)).distinct()
    return frozenset((await conn.execute(query)).scalars())


async def hurry(conn: AsyncConnection, account: str, what: Sequence[str]) -> None:
    """Have it asked at once how these stand."""
    open_ = (_PUSH.account == account, _PUSH.about.in_(what), _PUSH.ended_at.is_(None))
    await conn.execute(update(pushes).where(*open_).values(ask_at=func.now()))


async def claim(conn: AsyncConnection) -> Sequence[Found]:
    """Take those in hand whose tasks are to be looked at; they come again later by themselves."""
    due = (
        select(_PUSH.webhook_id)
        .join(webhooks, _HOOK.id == _PUSH.webhook_id)
        .where(_PUSH.ended_at.is_(None), _PUSH.ask_at <= func.now(), _HOOK.disabled_at.is_(None))
        .order_by(_PUSH.ask_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, of=pushes)
        .cte("due")
    )
    age = func.extract("epoch", func.now() - _PUSH.created_at)
    wait_s = func.greatest(SOON_S, func.least(LATE_S, age / 4))
    query = (
        update(pushes)
        .where(_PUSH.webhook_id == due.c.webhook_id)
        .values(ask_at=after(wait_s))
        .returning(pushes)
    )
    taken: Sequence[Found] = (await conn.execute(query)).all()
    return taken


async def tell(conn: AsyncConnection, push: Found, state: str, body: str, *, ended: bool) -> None:
    """Have a state told, unless it was told last; nothing is told after the end."""
    values: dict[str, Any] = {"told": state, "tells": _PUSH.tells + 1}
    if ended:
        values["ended_at"] = func.now()
    noted = (
        update(pushes)
        .where(
            _PUSH.webhook_id == push.webhook_id,
            _PUSH.ended_at.is_(None),
            _PUSH.told.is_distinct_from(state),
        )
        .values(values)
        .returning(_PUSH.tells)
    )
    number = (await conn.execute(noted)).scalar_one_or_none()
    if number is None:
        return
    id_ = f"{push.webhook_id}-{number}"
    given = {"id": id_, "webhook_id": push.webhook_id, "event_id": id_, "type": "a2a.task"}
    await conn.execute(
        insert(webhook_deliveries).values(**given, body=body).on_conflict_do_nothing()
    )


async def end(conn: AsyncConnection, webhook_id: str) -> None:
    """Let nothing more be told: there is no such task."""
    await conn.execute(
        update(pushes).where(_PUSH.webhook_id == webhook_id).values(ended_at=func.now())
    )


async def forget(conn: AsyncConnection, older_than_days: int, at_most: int) -> int:
    """Drop pushes that were made so long ago, with their webhooks; how many went."""
    old = (
        select(_HOOK.id)
        .join(pushes, _PUSH.webhook_id == _HOOK.id)
        .where(_PUSH.created_at < func.now() - days(older_than_days))
        .order_by(_PUSH.created_at)
        .limit(at_most)
        .with_for_update(skip_locked=True, of=webhooks)
    )
    ids = list((await conn.execute(old)).scalars())
    told = webhook_deliveries.c.webhook_id
    for rows in (
        delete(pushes).where(_PUSH.webhook_id.in_(ids)),
        delete(webhook_deliveries).where(told.in_(ids)),
        delete(webhooks).where(_HOOK.id.in_(ids)),
    ):
        await conn.execute(rows)
    return len(ids)
