"""Messages on their way to webhooks: signed, tried again with growing delay, given up at last.

An address is judged before each call, like an agent's; no transaction is open during one.
"""

import asyncio
from datetime import timedelta

import structlog

from chassis.db.aging import age
from chassis.db.database import Database
from chassis.outbound import Answer, CallError, Limits, Outbound, Request
from payment_svc.hooks import a2a, signing, store
from payment_svc.settings import Settings

log = structlog.get_logger()
LIMITS = Limits(10.0, 16 * 1024)
LEASE_S = 60.0
FIRST_S, MOST_S = 5.0, 6 * 3_600.0
"""Seconds until the second try, and at most between two; each wait is four times the one before."""
GIVE_UP = timedelta(days=3)
"""A message is tried for so long."""
GONE = 410
KEPT_DAYS = 30
AT_ONCE = 1_000
DISABLED = "The webhook is disabled: nothing arrived for too long, or it said that it is gone."


def again_s(attempts: int) -> float:
    """Seconds until the next try after `attempts` failed."""
    return float(min(MOST_S, FIRST_S * 4 ** min(attempts - 1, 12)))


async def work(
    db: Database, http: Outbound, sealed: signing.Sealed | None, settings: Settings
) -> None:
    """Send all that is due, some at a time."""
    if sealed is None:
        return
    while True:
        async with db.transaction(at_once=True) as tx:
            due = await store.claim(tx.conn, LEASE_S)
        if not due:
            return
        await asyncio.gather(*(_send(db, http, sealed, settings, one) for one in due))


async def _send(
    db: Database,
    http: Outbound,
    sealed: signing.Sealed,
    settings: Settings,
    delivery: store.Found,
) -> None:
    answer, note = await _ask(http, sealed, delivery)
    status = answer.status if answer else None
    async with db.transaction() as tx:
        if status is not None and status // 100 == 2:  # noqa: PLR2004  (a success)
            await store.delivered(tx.conn, delivery, status)
            return
        wait_s = max(again_s(delivery.attempts), (answer.retry_after_s or 0) if answer else 0)
        gone = status == GONE
        hook = await store.failed(
            tx.conn,
            delivery,
            status,
            note,
            again_s=None if gone or delivery.trying_for > GIVE_UP else min(wait_s, MOST_S),
            disable_s=0 if gone else settings.webhook_disable_s,
        )
        if hook is not None and hook.disabled_at is not None:
            await store.give_up(tx.conn, hook.id, DISABLED)
            log.warning("webhook disabled", webhook_id=hook.id, account=hook.account)


async def _ask(
    http: Outbound, sealed: signing.Sealed, delivery: store.Found
) -> tuple[Answer | None, str]:
    """What it answers, and why that is no success."""
    try:
        secret = sealed.open(delivery.secret)
        if delivery.kind == "push":
            headers = a2a.headers(secret, delivery.event_id)
        else:
            headers = signing.headers(secret, delivery.event_id, delivery.body)
        request = Request("POST", delivery.url, headers, delivery.body.encode())
        answer = await http.send(request, LIMITS)
    except signing.WrongKey:
        return None, "Its secret was kept with another WEBHOOK_KEY: make the webhook anew."
    except CallError as error:
        return None, f"It cannot be told: {error.why}."
    return answer, f"It answers {answer.status}."


async def forget(db: Database) -> None:
    """Drop what was told long ago."""
    await age(db, store.forget, KEPT_DAYS, AT_ONCE)
