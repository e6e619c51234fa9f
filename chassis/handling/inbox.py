"""What the inbox forgets: rows of messages that cannot be delivered any more."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

KEPT_DAYS = 31
"""Longer than a stream keeps what can be delivered again."""
AT_ONCE = 5_000


async def forget_handled(
    engine: AsyncEngine, schema: str, older_than_days: int = KEPT_DAYS, at_most: int = AT_ONCE
) -> int:
    """Drop old rows of a schema's inbox, until none is left.

    `at_most` of them go at once, each time in a transaction of its own, and rows that another
    replica is dropping are left to it. Each look begins where the one before ended, past what it
    has left behind in the index.

    Returns:
        How many rows went.
    """
    inbox = f'"{schema}".inbox'
    drop = text(
        f"WITH gone AS (DELETE FROM {inbox} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {inbox} "  # noqa: S608  (the name of a service, no caller's word)
        "WHERE handled_at >= :since AND handled_at < now() - make_interval(days => :days) "
        "ORDER BY handled_at LIMIT :most FOR UPDATE SKIP LOCKED)) RETURNING handled_at) "
        "SELECT count(*) AS rows, max(handled_at) AS until FROM gone"
    )
    since, gone, rows = datetime.min.replace(tzinfo=UTC), 0, at_most
    while rows == at_most:
        asked = {"since": since, "days": older_than_days, "most": at_most}
        async with engine.begin() as conn:
            rows, until = (await conn.execute(drop, asked)).one()
        gone += rows
        since = until or since
    return gone
