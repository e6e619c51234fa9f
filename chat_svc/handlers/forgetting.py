"""What was said in a forgotten conversation is forgotten by the event stream, too."""

from collections import defaultdict

import structlog
from nats.errors import Error as NatsError

from chassis.bus.calls import Bus
from chassis.db.database import Database
from chassis.keeping.forgetting import AT_ONCE, Forget
from chat_svc import store
from contracts.envelope import ERROR_TEXT
from contracts.permissions import FORGET

log = structlog.get_logger()
ANSWER_S = 10.0


async def forget_events(db: Database, bus: Bus) -> None:
    """Have the keeper of the bus delete what it still has; what cannot be deleted now is later.

    Words that are still on their way (an event that a relay has) go as soon as they are there.
    """
    async with db.transaction(reads=True) as tx:
        found = await store.forgotten_turns(tx.conn, AT_ONCE)
    turns_of = defaultdict(list)
    for turn in found:
        turns_of[turn.task_id].append(turn)
    for task_id, of_task in turns_of.items():
        if not await _deleted(bus, task_id, [turn.id for turn in of_task]):
            return
        if gone := [turn.id for turn in of_task if turn.last]:
            async with db.transaction(at_once=True) as tx:
                await store.all_forgotten(tx.conn, gone)


async def _deleted(bus: Bus, task_id: str, turn_ids: list[str]) -> bool:
    client = await bus.client()
    asked = Forget(task_id=task_id, turn_ids=turn_ids).model_dump_json().encode()
    try:
        reply = await client.request(FORGET, asked, timeout=ANSWER_S)
    except (NatsError, TimeoutError, OSError) as error:
        log.warning("words are not forgotten yet", task_id=task_id, error=error)
        return False
    if refused := (reply.headers or {}).get(ERROR_TEXT):
        log.warning("words are not forgotten yet", task_id=task_id, why=refused)
        return False
    return True
