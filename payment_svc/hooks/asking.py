"""Tasks that somebody is told of by A2A: how they stand is asked, and told when that is news.

It is asked at once when a push is made and when its task ends; and again and again in between, so
that an event that never came, or came to a replica that did not know of the push yet, is no loss.
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import structlog

from chassis.bus.calls import Bus
from chassis.bus.envelopes import origin
from chassis.db.aging import age
from chassis.db.database import Database
from contracts.envelope import Envelope
from contracts.errors import NotFound, Refusal
from contracts.pushes import Wire
from contracts.task import GET_TASK, LIST_STEPS, GetTask, ListSteps
from contracts.turns import GET_TURN, GetTurn
from payment_svc.hooks import a2a, store, store_pushes
from payment_svc.hooks.pushes import remove
from payment_svc.hooks.sending import AT_ONCE, KEPT_DAYS

log = structlog.get_logger()
MOST_STEPS = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """How a task of theirs stands; `task_id` is of ours, where there is one."""

    state: str
    total: Decimal | None = None
    task_id: str | None = None


async def work(db: Database, bus: Bus) -> None:
    """Look at all that is due, some at a time."""
    while True:
        async with db.transaction(at_once=True) as tx:
            due = await store_pushes.claim(tx.conn)
        await asyncio.gather(*(_look(db, bus, one) for one in due))
        if len(due) < store_pushes.AT_ONCE:
            return


async def _look(db: Database, bus: Bus, push: store.Found) -> None:
    here = origin("payment", "push", push.account)
    try:
        found = await standing(bus, push.about, here)
    except NotFound:  # Of what is not there, nothing is kept either.
        async with db.transaction() as tx:
            await remove(tx, push.webhook_id)
        return
    except Refusal as error:  # Whoever knows is away: it is asked again later.
        log.info("nobody says how a task stands", about=push.about, error=error)
        return
    context = push.context or found.task_id or push.about
    wire: Wire = push.wire
    body = a2a.status_update(wire, push.about, context, found.state, found.total)
    async with db.transaction() as tx:
        ended = found.state in a2a.ENDS
        await store_pushes.tell(tx.conn, push, found.state, body, ended=ended)


async def standing(bus: Bus, about: str, here: Envelope) -> Standing:
    """How a task or turn stands.

    Raises:
        NotFound: the account has none with this id.
        Refusal: it cannot be told now.
    """
    if not about.startswith(a2a.TURN):
        return await _of_task(bus, about, here)
    turn = await bus.ask(GET_TURN, GetTurn(turn_id=about.removeprefix(a2a.TURN)), here)
    if not turn.done:
        return Standing(a2a.WORKING, task_id=turn.task_id)
    bill = turn.message.cost_breakdown if turn.message else None
    total = bill.total if bill else None
    if turn.task_id is not None:
        try:
            task = await _of_task(bus, turn.task_id, here)
        except NotFound:  # It made none.
            pass
        else:  # One that has not ended is gone on with.
            state = task.state if task.state in a2a.ENDS else a2a.COMPLETED
            return Standing(state, total, turn.task_id)
    return Standing(a2a.COMPLETED, total)


async def _of_task(bus: Bus, task_id: str, here: Envelope) -> Standing:
    task = (await bus.ask(GET_TASK, GetTask(task_id=task_id), here)).task
    state = a2a.STATES[task.status]
    if state == a2a.FAILED:
        asked = ListSteps(task_id=task_id, limit=MOST_STEPS)
        steps = (await bus.ask(LIST_STEPS, asked, here)).steps
        if any(step.reason == "cancelled" for step in steps):
            state = a2a.CANCELED
    total = task.total_cost if state in a2a.ENDS else None
    return Standing(state, total, task_id)


async def forget(db: Database) -> None:
    """Drop what was asked for long ago."""
    await age(db, store_pushes.forget, KEPT_DAYS, AT_ONCE)
