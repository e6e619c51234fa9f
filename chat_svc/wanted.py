"""Whether a move is still wanted while the orchestrator thinks about it: its turn may be over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from chassis.db.database import Database
from chassis.endings import end
from chat_svc import store

log = structlog.get_logger()
LOOK_S = 1.0
"""How often whoever thinks makes sure that somebody waits for it."""


@asynccontextmanager
async def while_wanted(
    db: Database, turn: store.Found, limit: asyncio.Timeout
) -> AsyncIterator[None]:
    """Let `limit` be reached as soon as the turn is not at this move any more."""
    looking = asyncio.create_task(_look(db, turn, limit))
    try:
        yield
    finally:
        await end(looking)


async def _look(db: Database, turn: store.Found, limit: asyncio.Timeout) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            async with db.transaction(reads=True) as tx:
                now = await store.find_turn(tx.conn, turn.id)
        except Exception as error:  # noqa: BLE001  (the next look may be luckier)
            log.warning("a turn could not be looked at", turn_id=turn.id, error=error)
            continue
        if now is None or (now.status, now.round) != (turn.status, turn.round):
            limit.reschedule(asyncio.get_running_loop().time())
            return
