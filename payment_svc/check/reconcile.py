"""Holds that stay open: their steps are asked after, whose ends may have been lost on the way.

No money moves here. The task service tells the ends again, as the same events, and they are
captured or released as any.
"""

import structlog

from chassis.bus.calls import Bus
from chassis.bus.envelopes import origin
from chassis.db.database import Database
from contracts.errors import Refusal
from contracts.standing import TELL_ENDS, TellEnds
from payment_svc.check import store_standing
from payment_svc.settings import Settings

log = structlog.get_logger()
AT_ONCE = 50
TOLD_AGAIN = 20
"""An end that was told again is given so many times as long as what goes on."""


async def ask_after_steps(db: Database, bus: Bus, settings: Settings) -> None:
    """Ask what became of the steps of holds that have been open for long.

    A task service that is away, or of a release that does not know the question, is asked later.
    """
    while True:
        async with db.transaction() as tx:
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
