"""What agents have in hand, as the task service counts it: events may have been lost on the way."""

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from chassis.bus.calls import Bus
from chassis.bus.envelopes import origin
from chassis.db.database import Database
from contracts.errors import Refusal
from contracts.standing import COUNT_RUNNING, MOST, CountRunning
from contracts.topology import (
    REGISTRY_STEP_COMPLETED,
    REGISTRY_STEP_FAILED,
    REGISTRY_STEP_STARTED,
)
from registry_svc import store
from registry_svc.domain import Agent
from registry_svc.handlers.steps import tell_price
from registry_svc.tally import put_right

log = structlog.get_logger()
DURABLES = (REGISTRY_STEP_STARTED, REGISTRY_STEP_COMPLETED, REGISTRY_STEP_FAILED)


async def count_again(db: Database, bus: Bus) -> None:
    """Put right what differs by more than the events that may be on their way.

    While a task service or the streams are away, or one is of a release that does not know the
    question, nothing is changed.
    """
    after = 0
    while True:
        async with db.transaction(reads=True) as tx:
            page = await store.page(tx.conn, after, MOST - 1, on_sale=False)
        if not page:
            return
        asked = CountRunning(agent_ids=[agent.id for agent in page])
        try:
            found = await bus.ask(COUNT_RUNNING, asked, origin("registry", "reconcile"))
            under_way = found.leaving + await _waiting(db, bus)
        except (Refusal, NatsError, JetStreamError, TimeoutError, OSError) as error:
            log.info("nobody says what agents have in hand", error=error)
            return
        for agent in page:
            active = put_right(agent.active, found.steps.get(agent.id, 0), under_way)
            if active != agent.active:
                await _put_right(db, agent, active)
        after = page[-1].seq


async def _waiting(db: Database, bus: Bus) -> int:
    """Events of steps that have left and were perhaps not counted yet."""
    streams = (await bus.client()).jetstream()
    infos = [await streams.consumer_info(one.stream, one.name) for one in DURABLES]
    in_stream = sum((info.num_pending or 0) + (info.num_ack_pending or 0) for info in infos)
    async with db.transaction() as tx:
        return in_stream + await store.waiting(tx.conn)


async def _put_right(db: Database, was: Agent, active: int) -> None:
    async with db.transaction(origin("registry", "reconcile")) as tx:
        now = await store.put_right(tx.conn, was, active)
        if now is not None:
            tell_price(tx, was.id, now, was.active)
            log.warning("steps in hand put right", agent_id=was.id, was=was.active, now=active)
