"""The listings of accounts that are closed."""

import structlog

from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.listings import ClosedListings, CloseListings
from registry_svc import store, store_owned
from registry_svc.handlers.owning import tell
from registry_svc.states import may_become

log = structlog.get_logger()
AT_ONCE = 100
"""Listings that one request suspends."""


async def close_listings(request: CloseListings, tx: Transaction, here: Envelope) -> ClosedListings:
    """Suspend what the account has on the market, some at a time, for an administrator to resume.

    Drafts stay drafts: an account that is closed lists nothing more, and publishes none.
    """
    await store_owned.close(tx.conn, here.account, request.reason)
    suspended: list[str] = []
    for was in await store_owned.open_of(tx.conn, here.account, AT_ONCE):
        changes = may_become(was, "suspended", "admin", request.reason)
        agent = await store.change(tx.conn, was.id, changes)
        tell(tx, was, agent, "admin")
        suspended.append(agent.id)
    log.info("listings closed", account=here.account, reason=request.reason, agents=len(suspended))
    return ClosedListings(agent_ids=suspended)
