"""Whether the books add up: asked for at any time, and kept as checkpoints in the background."""

import structlog

from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.ledger import CheckLedger, Finding, LedgerCheck
from payment_svc.check import store as store_check
from payment_svc.settings import Settings

log = structlog.get_logger()

STRIDE = 2_000
"""Ledger lines from one checkpoint to the next; a look at what is recent reads about so many."""


UNHEARD = 10
"""A hold may be open so many times as long as it is until its step is asked after."""


async def check_ledger(request: CheckLedger, tx: Transaction, settings: Settings) -> LedgerCheck:
    """Every rule of the books, computed in SQL at one moment: for what is recent, or for all."""
    await store_check.at_one_moment(tx.conn)
    span = await store_check.recent(tx.conn)
    if request.full:
        broken = await store_check.broken_rules(tx.conn)
        checked, verified, pending = span.to + span.pending, 0, 0
    else:
        broken = await store_check.broken_lately(tx.conn, span)
        checked, verified, pending = span.to - span.after, span.after, span.pending
    broken |= await store_check.broken_standing(tx.conn, settings.reconcile_s * UNHEARD)
    return LedgerCheck(
        ok=not any(broken.values()),
        findings=[Finding(rule=rule, broken=rows) for rule, rows in broken.items()],
        full=request.full,
        checked=checked,
        verified=verified,
        pending=pending,
    )


async def work(db: Database, stride: int = STRIDE) -> None:
    """Add checkpoints while enough has moved and all of it is right."""
    while True:
        async with db.transaction() as tx:
            horizon = await store_check.settled(tx.conn)
        if horizon is None:
            return
        async with db.transaction() as tx:
            if not await store_check.only_one(tx.conn):
                return
            span = await store_check.recent(tx.conn, horizon)
            if span.to - span.after < stride:
                return
            broken = await store_check.broken_lately(tx.conn, span)
            if any(broken.values()):
                log.error("the books do not add up", rules=[r for r, n in broken.items() if n])
                return
            await store_check.add_checkpoint(tx.conn, span)
