"""SQL of webhooks and what they are told. Nothing here commits.

A webhook's row is locked before those of what it is told: two deliveries to one webhook may fail at
once, and the one that disables it writes to the other's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, case, delete, func, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after, days, seconds
from payment_svc.tables_hooks import webhook_deliveries, webhooks

Found = Row[*tuple[Any, ...]]
AT_ONCE = 32
"""Deliveries that one look takes in hand."""
OF_ONE = 4
"""Of these, as many at most are to the same webhook."""
_HOOK, _DELIVERY = webhooks.c, webhook_deliveries.c
_OWN = _HOOK.kind == "account"
"""An account's own; those of pushes are in `store_pushes`."""


async def of_account(conn: AsyncConnection, account: str) -> Sequence[Found]:
    """An account's webhooks, oldest first."""
    query = (
        select(webhooks).where(_HOOK.account == account, _OWN).order_by(_HOOK.created_at, _HOOK.id)
    )
    return (await conn.execute(query)).all()


async def find(
    conn: AsyncConnection, account: str, webhook_id: str, *, lock: bool = False
) -> Found | None:
    """A webhook of an account, locked until the end of the transaction when asked."""
    query = select(webhooks).where(_HOOK.id == webhook_id, _HOOK.account == account, _OWN)
    return (await conn.execute(query.with_for_update() if lock else query)).one_or_none()


async def lock(conn: AsyncConnection, webhook_id: str) -> None:
    """Let nobody else touch a webhook and what it is told until the end of the transaction."""
    await conn.execute(select(_HOOK.id).where(_HOOK.id == webhook_id).with_for_update())


async def add(conn: AsyncConnection, values: dict[str, Any]) -> Found | None:
    """Store a webhook; None when the id is taken."""
    query = insert(webhooks).values(values).on_conflict_do_nothing().returning(webhooks)
    stored: Found | None = (await conn.execute(query)).one_or_none()
    return stored


async def remove(conn: AsyncConnection, webhook_id: str) -> None:
    """End a webhook, with all that it was and was to be told."""
    await conn.execute(delete(webhook_deliveries).where(_DELIVERY.webhook_id == webhook_id))
    await conn.execute(delete(webhooks).where(_HOOK.id == webhook_id))


async def listening(conn: AsyncConnection, types: Sequence[str]) -> frozenset[str]:
    """The accounts that want to be told of one of these."""
    query = select(_HOOK.account).where(
        _HOOK.disabled_at.is_(None), _HOOK.events.overlap(list(types))
    )
    return frozenset((await conn.execute(query)).scalars())


async def tell(conn: AsyncConnection, account: str, type_: str, event_id: str, body: str) -> int:
    """Have an account's webhooks told of an event, once; how many there are."""
    id_ = func.replace(func.cast(func.gen_random_uuid(), _DELIVERY.body.type), "-", "")
    given = {"event_id": event_id, "type": type_, "body": body}
    whom = select(
        id_, _HOOK.id, *(literal(value, _DELIVERY[name].type) for name, value in given.items())
    ).where(_HOOK.account == account, _HOOK.disabled_at.is_(None), _HOOK.events.contains([type_]))
    query = insert(webhook_deliveries).from_select(["id", "webhook_id", *given], whom)
    return (await conn.execute(query.on_conflict_do_nothing())).rowcount


async def claim(conn: AsyncConnection, lease_s: float) -> Sequence[Found]:
    """Take what is due in hand for `lease_s` seconds, with its webhook; nobody else takes it."""
    place = func.row_number().over(
        partition_by=_DELIVERY.webhook_id, order_by=_DELIVERY.next_attempt_at
    )
    soon = (
        select(_DELIVERY.id, place.label("place"))
        .where(_DELIVERY.status == "pending", _DELIVERY.next_attempt_at <= func.now())
        .order_by(_DELIVERY.next_attempt_at)
        .limit(AT_ONCE * OF_ONE)
        .subquery()
    )
    due = (
        select(_DELIVERY.id)
        .join(soon, soon.c.id == _DELIVERY.id)
        .where(
            soon.c.place <= OF_ONE,
            _DELIVERY.status == "pending",
            _DELIVERY.next_attempt_at <= func.now(),
        )
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, of=webhook_deliveries)
        .cte("due")
    )
    query = (
        update(webhook_deliveries)
        .where(_DELIVERY.id == due.c.id, _HOOK.id == _DELIVERY.webhook_id)
        .values(attempts=_DELIVERY.attempts + 1, next_attempt_at=after(lease_s))
        .returning(
            webhook_deliveries,
            _HOOK.url,
            _HOOK.secret,
            _HOOK.kind,
            (func.now() - _DELIVERY.since).label("trying_for"),
        )
    )
    found: Sequence[Found] = (await conn.execute(query)).all()
    return found


async def delivered(conn: AsyncConnection, delivery: Found, status: int) -> None:
    """Note that a message arrived; the webhook is well."""
    well = and_(_HOOK.id == delivery.webhook_id, _HOOK.failing_since.is_not(None))
    await conn.execute(update(webhooks).where(well).values(failing_since=None))
    await conn.execute(
        update(webhook_deliveries)
        .where(_DELIVERY.id == delivery.id)
        .values(
            status="delivered",
            answered=status,
            note=None,
            next_attempt_at=None,
            delivered_at=func.now(),
        )
    )


async def failed(
    conn: AsyncConnection,
    delivery: Found,
    status: int | None,
    note: str,
    *,
    again_s: float | None,
    disable_s: float,
) -> Found:
    """Note that a message did not arrive; the webhook is disabled when none has for so long.

    Args:
        conn: the transaction's.
        delivery: which.
        status: of the answer, if there was one.
        note: why, as a sentence.
        again_s: seconds until it is tried again; None when it is given up.
        disable_s: a webhook that has failed for so many seconds is told nothing more.

    Returns:
        The webhook as it is then.
    """
    too_long = func.coalesce(_HOOK.failing_since, func.now()) <= func.now() - seconds(disable_s)
    query = (
        update(webhooks)
        .where(_HOOK.id == delivery.webhook_id)
        .values(
            failing_since=func.coalesce(_HOOK.failing_since, func.now()),
            disabled_at=case(
                (too_long, func.coalesce(_HOOK.disabled_at, func.now())), else_=_HOOK.disabled_at
            ),
        )
        .returning(webhooks)
    )
    hook: Found = (await conn.execute(query)).one()
    await conn.execute(
        update(webhook_deliveries)
        .where(_DELIVERY.id == delivery.id, _DELIVERY.status == "pending")
        .values(
            status="pending" if again_s is not None else "failed",
            answered=status,
            note=note,
            next_attempt_at=None if again_s is None else after(again_s),
        )
    )
    return hook


async def give_up(conn: AsyncConnection, webhook_id: str, note: str) -> None:
    """Tell a disabled webhook nothing more of what waits; a replay does."""
    await conn.execute(
        update(webhook_deliveries)
        .where(_DELIVERY.webhook_id == webhook_id, _DELIVERY.status == "pending")
        .values(status="failed", note=note, next_attempt_at=None)
    )


async def page(
    conn: AsyncConnection, webhook_id: str, limit: int, before: tuple[datetime, str] | None
) -> Sequence[Found]:
    """What a webhook was told, newest first, one more than `limit` when there is more."""
    query = (
        select(webhook_deliveries)
        .where(_DELIVERY.webhook_id == webhook_id)
        .order_by(_DELIVERY.created_at.desc(), _DELIVERY.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(tuple_(_DELIVERY.created_at, _DELIVERY.id) < before)
    return (await conn.execute(query)).all()


async def replay(conn: AsyncConnection, webhook_id: str, delivery_id: str | None) -> int:
    """Have one message told again, or all that failed; how many."""
    which = _DELIVERY.status == "failed" if delivery_id is None else _DELIVERY.id == delivery_id
    done = await conn.execute(
        update(webhook_deliveries)
        .where(_DELIVERY.webhook_id == webhook_id, which)
        .values(
            status="pending",
            attempts=0,
            since=func.now(),
            next_attempt_at=func.now(),
            delivered_at=None,
        )
    )
    anew = {"failing_since": None, "disabled_at": None}
    await conn.execute(update(webhooks).where(_HOOK.id == webhook_id).values(anew))
    return done.rowcount


async def forget(conn: AsyncConnection, older_than_days: int, at_most: int) -> int:
    """Drop what was told so long ago; how many went."""
    old = (
        select(_DELIVERY.id)
        .where(_DELIVERY.created_at < func.now() - days(older_than_days))
        .order_by(_DELIVERY.created_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    return (await conn.execute(delete(webhook_deliveries).where(_DELIVERY.id.in_(old)))).rowcount
