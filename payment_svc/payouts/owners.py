"""agent.registered and agent.updated: whose an agent is, so that its pay is its owner's."""

from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.registry import AgentRegistered, AgentUpdated
from payment_svc.payouts import store_owners


async def on_agent_registered(event: AgentRegistered, tx: Transaction) -> None:
    """Keep the agent's owner; what was paid before this was heard becomes the owner's too."""
    await _keep(event, tx)


async def on_agent_updated(event: AgentUpdated, tx: Transaction) -> None:
    """Keep the agent's owner, unless something newer was heard."""
    await _keep(event, tx)


async def _keep(event: AgentRegistered, tx: Transaction) -> None:
    if event.told_at is not None:  # Release 0.2.0 does not say whose an agent is.
        await store_owners.told(tx.conn, event.agent_id, event.owner, event.told_at)


async def attribute(db: Database) -> None:
    """Give payments that overtook the word of whose agent it is to its owner."""
    async with db.transaction() as tx:
        await store_owners.attribute(tx.conn)
