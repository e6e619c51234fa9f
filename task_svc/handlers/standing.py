"""What became of steps and tasks, for those who did not hear of it; and who is asked in turn."""

from collections.abc import Awaitable, Iterable, Mapping

import structlog

from chassis.bus.calls import Bus
from chassis.bus.envelopes import origin
from chassis.db.away import is_away
from chassis.db.database import Database
from chassis.handling.injection import Reading
from contracts.envelope import Envelope
from contracts.errors import Refusal
from contracts.ledger import GET_RECEIPT, GetReceipt, PaymentEntered
from contracts.standing import (
    CountRunning,
    EndsTold,
    Heard,
    Running,
    Standing,
    TellEnds,
    WhatWasHeard,
)
from contracts.turns import ORDER_ENDS, OrderEnds
from task_svc import store, store_standing
from task_svc.ending import bill_line, ended, recorded, tell_step, tell_task
from task_svc.handlers.payments import enter
from task_svc.settings import Settings

log = structlog.get_logger()
AT_ONCE = 50
ORDERED_AGAIN = 20
"""An end that was ordered again is given so many times as long as what is looked at usually."""


async def tell_ends(request: TellEnds, db: Database) -> EndsTold:
    """Tell again how steps and tasks have ended; each in a transaction of its own."""
    async with db.transaction() as tx:
        steps = await store_standing.statuses_of_steps(tx.conn, request.step_ids)
        tasks = await store_standing.statuses_of_tasks(tx.conn, request.task_ids)
    told = EndsTold(
        steps=_standing(request.step_ids, steps), tasks=_standing(request.task_ids, tasks)
    )
    for step_id in _ended(told.steps):
        await _apart(_tell_step(db, step_id), step_id=step_id)
    for task_id in _ended(told.tasks):
        await _apart(_tell_task(db, task_id), task_id=task_id)
    return told


async def _apart(work: Awaitable[None], **about: str) -> None:
    """Do what concerns one of many, so that what is wrong with it is in no other's way."""
    try:
        await work
    except Exception as error:
        if is_away(error):
            raise
        log.exception("an end that cannot be told", **about)


def _standing(asked: Iterable[str], statuses: Mapping[str, str]) -> dict[str, Standing]:
    def of(id_: str) -> Standing:
        if id_ not in statuses:
            return "unknown"
        return "ended" if statuses[id_] in store.ENDED else "open"

    return {id_: of(id_) for id_ in asked}


def _ended(standing: Mapping[str, Standing]) -> list[str]:
    return [id_ for id_, how in standing.items() if how == "ended"]


async def _tell_step(db: Database, step_id: str) -> None:
    async with db.transaction() as tx:
        step = await store.find_step(tx.conn, step_id)
        if step.status == "completed" and step.quote is None:
            return  # A payment by hand, which is none of an agent's work.
        tx.cause = Envelope.model_validate(step.cause) if step.cause else None
        tell_step(tx, step, recorded(step), started=step.quote is not None)
    log.info("end of a step told again", task_id=step.task_id, step_id=step.id)


async def _tell_task(db: Database, task_id: str) -> None:
    async with db.transaction() as tx:
        task = await store_standing.ended_task(tx.conn, task_id)
        if task is None or task.turn_id is None:
            return
        cause = await store_standing.last_cause(tx.conn, task_id)
        tx.cause = Envelope.model_validate(cause) if cause else None
        bill = [bill_line(step) for step in await store.bill_of(tx.conn, task_id)]
        tell_task(tx, task, ended(task, task.status, task.total_cost, bill))
    log.info("end of a task told again", task_id=task_id)


async def count_running(request: CountRunning, tx: Reading) -> Running:
    """How many steps agents have in hand now."""
    steps, leaving = await store_standing.running(tx.conn, request.agent_ids)
    return Running(steps={id_: steps.get(id_, 0) for id_ in request.agent_ids}, leaving=leaving)


async def what_was_heard(request: WhatWasHeard, tx: Reading) -> Heard:
    """Which messages had their effect here: what has not is told again by whoever asks."""
    found = await store_standing.handled(tx.conn, request.durable, request.message_ids)
    return Heard(message_ids=found)


async def answered_yet(db: Database, requests: list[str]) -> set[str]:
    """Which of these requests have a step that goes on: whoever ends it answers the caller."""
    if not requests:
        return set()
    async with db.transaction() as tx:
        return await store_standing.awaited(tx.conn, requests)


async def ask_after_ends(db: Database, bus: Bus, settings: Settings) -> None:
    """Have tasks ended whose turn is over, when the order to end them did not come.

    A chat service that is away, or of a release that does not know the question, is asked later.
    """
    wait_s = settings.reconcile_s
    while True:
        async with db.transaction(at_once=True) as tx:
            found = await store_standing.claim_unended(tx.conn, wait_s, AT_ONCE)
        due = {task.turn_id: task.id for task in found}
        if not due:
            return
        for task in found:
            if not task.open_steps:
                await _apart(_count_payments(db, bus, task), task_id=task.id)
        asked = OrderEnds(turn_ids=list(due))
        try:
            turns = (await bus.ask(ORDER_ENDS, asked, origin("task", "reconcile"))).turns
        except Refusal as error:
            log.info("nobody says whether tasks are to end", error=error)
            return
        ordered = [due[id_] for id_, how in turns.items() if how == "ended" and id_ in due]
        for id_, how in turns.items():
            if how == "unknown":
                log.warning("a task of a turn that nobody knows", task_id=due.get(id_))
        if ordered:
            log.info("ends ordered again", tasks=len(ordered))
            async with db.transaction(at_once=True) as tx:
                await store_standing.ask_later(tx.conn, ordered, wait_s * ORDERED_AGAIN)
        if len(due) < AT_ONCE:
            return


async def _count_payments(db: Database, bus: Bus, task: store.Found) -> None:
    """Count what was paid by hand for a task, and was not heard of: its end waits for the sum."""
    here = origin("task", "reconcile", task.account)
    try:
        lines = (await bus.ask(GET_RECEIPT, GetReceipt(task_id=task.id), here)).lines
    except Refusal as error:
        log.info("nobody says what was paid", task_id=task.id, error=error)
        return
    paid = {line.step_id: line for line in lines if line.status == "captured"}
    async with db.transaction(here) as tx:
        known = await store_standing.statuses_of_steps(tx.conn, list(paid))
        for id_ in paid.keys() - known.keys():
            entered = PaymentEntered(
                task_id=task.id,
                payment_id=id_,
                agent_id=paid[id_].agent_id,
                amount=paid[id_].charged,
            )
            if await enter(tx, entered, here):
                log.info("payment by hand counted", task_id=task.id, payment_id=id_)
