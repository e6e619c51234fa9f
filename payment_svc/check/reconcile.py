"""What was lost on the way: ends of steps whose holds stay open, and what task did not hear.

No money moves here. The task service tells the ends again, as the same events, and they are
captured or released as any.
"""

from collections.abc import Sequence
from typing import Any

import structlog

from chassis.bus.calls import Bus
from chassis.bus.envelopes import origin
from chassis.db.database import Database
from contracts.errors import Refusal
from contracts.ledger import PaymentEntered, PaymentRefunded
from contracts.standing import TELL_ENDS, WHAT_WAS_HEARD, TellEnds, WhatWasHeard
from contracts.topology import TASK_PAYMENT_ENTERED, TASK_PAYMENT_REFUNDED
from payment_svc.check import store_standing
from payment_svc.ledger import store_announcing
from payment_svc.ledger.announcing import KINDS
from payment_svc.settings import Settings

log = structlog.get_logger()
AT_ONCE = 50
DURABLES = {
    PaymentRefunded.type: TASK_PAYMENT_REFUNDED,
    PaymentEntered.type: TASK_PAYMENT_ENTERED,
}
"""By which durable the task service hears what."""
TOLD_AGAIN = 20
"""An end that was told again is given so many times as long as what goes on."""


async def ask_after_announcements(db: Database, bus: Bus, settings: Settings) -> None:
    """Tell again what the task service has not heard of; the same messages, by the same ids."""
    while True:
        async with db.transaction(at_once=True) as tx:
            due = await store_announcing.claim_unheard(tx.conn, settings.reconcile_s, AT_ONCE)
        for kind, durable in DURABLES.items():
            ids = [one.id for one in due if one.type == kind]
            if not ids:
                continue
            asked = WhatWasHeard(durable=durable.name, message_ids=ids)
            try:
                heard = await bus.ask(WHAT_WAS_HEARD, asked, origin("payment", "reconcile"))
            except Refusal as error:
                log.info("nobody says what was heard", error=error)
                return
            known = set(heard.message_ids)
            await _tell_again(
                db, [one for one in due if one.id in ids and one.id not in known], settings
            )
            async with db.transaction(at_once=True) as tx:
                await store_announcing.heard(tx.conn, known)
        if len(due) < AT_ONCE:
            return


async def _tell_again(db: Database, lost: Sequence[Any], settings: Settings) -> None:
    if not lost:
        return
    async with db.transaction() as tx:
        for one in lost:
            log.warning("what was not heard is told again", type=one.type, message_id=one.id)
            event = KINDS[one.type].model_validate(one.body)
            tx.publish(event, account=one.account, message_id=one.id)
        ids = [one.id for one in lost]
        await store_announcing.ask_later(tx.conn, ids, settings.reconcile_s * TOLD_AGAIN)


async def ask_after_steps(db: Database, bus: Bus, settings: Settings) -> None:
    """Ask what became of the steps of holds that have been open for long.

    A task service that is away, or of a release that does not know the question, is asked later.
    """
    while True:
        async with db.transaction(at_once=True) as tx:
            due = await store_standing.claim_open(tx.conn, settings.reconcile_s, AT_ONCE)
        if not due:
            return
        try:
            asked = TellEnds(step_ids=due)
            said = (await bus.ask(TELL_ENDS, asked, origin("payment", "reconcile"))).steps
        except Refusal as error:
            log.info("nobody says what became of steps", error=error)
            return
        running = sorted(id_ for id_, how in said.items() if how == "open")
        others = sorted(id_ for id_, how in said.items() if how != "open")
        for id_ in others:
            log.warning("a hold is open and its step is not", step_id=id_, step=said[id_])
        async with db.transaction() as tx:
            if running:
                await store_standing.note_running(tx.conn, running)
            if others:
                await store_standing.note_ended(tx.conn, others, settings.reconcile_s * TOLD_AGAIN)
        if len(due) < AT_ONCE:
            return
