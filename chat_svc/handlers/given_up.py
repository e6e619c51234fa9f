"""Messages of a turn that nobody could handle: its end says so, and nobody waits for nothing.

A dead letter that nobody hears, because no replica runs, costs time: the turn has a deadline.
"""

from functools import partial

import structlog
from nats.aio.msg import Msg
from sqlalchemy.exc import SQLAlchemyError

from chassis.bus.calls import Bus
from chassis.db.away import Away
from chassis.db.database import Database
from chat_svc import store
from contracts.envelope import TURN
from contracts.permissions import HEARS

log = structlog.get_logger()
BROKEN = "Something went wrong on our side, so I stopped here."


async def listen(db: Database, bus: Bus) -> None:
    """Hear of the dead letters of chat's own messages, and of its orders to the task service."""
    client = await bus.client()
    for subject in HEARS["chat"]:
        await client.subscribe(subject, cb=partial(_heard, db))


async def _heard(db: Database, letter: Msg) -> None:
    """End the turn that a dead letter belongs to, by the way that overdue turns end."""
    turn_id = (letter.headers or {}).get(TURN)
    if turn_id is None:
        return
    log.warning("a turn is given up", turn_id=turn_id, subject=letter.subject)
    try:
        async with db.transaction() as tx:
            await store.give_up(tx.conn, turn_id, BROKEN)
    except (SQLAlchemyError, Away, OSError) as error:
        log.warning("a turn waits for its deadline", turn_id=turn_id, error=error)
