"""What is kept in full for a while only: stripped by age, a few rows at a time."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.database import Database

AGE_EVERY_S = 600.0
AT_ONCE = 200
REST_S = 0.1

Strip = Callable[[AsyncConnection, int, int], Awaitable[int]]
"""Strips rows that are older than so many days, so many at most; returns how many those were."""


async def age(db: Database, strip: Strip, days: int, at_once: int = AT_ONCE) -> int:
    """Strip what is old, until nothing is left; each few rows in a transaction of their own.

    Returns:
        How many rows were stripped.
    """
    stripped = 0
    while True:
        async with db.transaction() as tx:
            some = await strip(tx.conn, days, at_once)
        stripped += some
        if some < at_once:
            return stripped
        await asyncio.sleep(REST_S)
