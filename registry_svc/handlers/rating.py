"""The stars that a payer gives for a task, once; they are its paid agents'."""

from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.errors import Conflict
from contracts.registry import RateTask, TaskRating
from registry_svc import rating, store, store_buyers
from registry_svc.handlers.steps import opinions

RATED = "This task was rated before."
OWN = "Nobody rates an agent of their own."


async def rate_task(request: RateTask, tx: Transaction, here: Envelope) -> TaskRating:
    """Keep the stars, and add them to what this payer thinks of the agents.

    Raises:
        Conflict: the task was rated before with other stars, or all of its agents are the payer's.
    """
    reply = TaskRating(task_id=request.task_id, stars=request.stars, agent_ids=request.agent_ids)
    if not await store_buyers.rate(tx.conn, request.task_id, here.account, request.stars):
        if await store_buyers.stars_of(tx.conn, request.task_id, here.account) == request.stars:
            return reply
        raise Conflict(RATED)
    outcome = rating.rated(request.stars)
    moved = await opinions(tx, [(id_, here.account, outcome) for id_ in request.agent_ids])
    if not moved:
        raise Conflict(OWN)
    for agent_id in sorted(moved):
        await store.add(tx.conn, agent_id, moved[agent_id])
    return reply
