"""What webhooks are told: written in the transaction in which it becomes true, sent afterwards.

What sellers are paid and what is given back is written by triggers of `earnings`.
"""

from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.hooks import HookEvent
from contracts.listings import AgentSuspended
from contracts.task_events import TaskCompleted, TaskEnded, TaskFailed
from payment_svc.hooks import store, store_pushes
from payment_svc.hooks.a2a import TURN

ENDS: tuple[HookEvent, ...] = ("task.completed", "task.failed")


class Listening:
    """The accounts that want to hear of the ends of tasks, as they were a moment ago.

    So that all the tasks of accounts without webhooks cost nothing here.
    """

    def __init__(self, db: Database) -> None:
        """Nobody is known before the first look."""
        self._db = db
        self.accounts: frozenset[str] = frozenset()
        self.pushing: frozenset[str] = frozenset()

    async def look(self) -> None:
        """Read who listens, and who has pushes."""
        async with self._db.transaction(reads=True) as tx:
            self.accounts = await store.listening(tx.conn, ENDS)
            self.pushing = await store_pushes.waiting(tx.conn)


async def tell(
    tx: Transaction, account: str, type_: HookEvent, event_id: str, data: dict[str, Any]
) -> None:
    """Have an account's webhooks told of an event when this transaction commits.

    Args:
        tx: the transaction in which it happens.
        account: whom it concerns.
        type_: what it is.
        event_id: the same however often it is said; it is told once.
        data: the event's members, in camelCase; amounts are strings.
    """
    body = {"type": type_, "timestamp": datetime.now(UTC), "data": data}
    await store.tell(tx.conn, account, type_, event_id, to_json(body).decode())


async def on_task_completed(
    event: TaskCompleted, db: Database, listening: Listening, here: Envelope
) -> None:
    """Tell who had a task done that it is."""
    await _ended(event, "task.completed", db, listening, here)


async def on_task_failed(
    event: TaskFailed, db: Database, listening: Listening, here: Envelope
) -> None:
    """Tell who had a task done that it came to nothing."""
    await _ended(event, "task.failed", db, listening, here)


async def on_agent_suspended(event: AgentSuspended, tx: Transaction, here: Envelope) -> None:
    """Tell whoever listed an agent that it is off the market, and why."""
    if event.owner is not None:
        said = event.model_dump(mode="json", include={"agent_id", "name", "reason", "by"})
        await tell(tx, event.owner, "seller.suspended", here.id, said)


async def _ended(
    event: TaskEnded, type_: HookEvent, db: Database, listening: Listening, here: Envelope
) -> None:
    if here.account in listening.pushing:
        async with db.transaction(here) as tx:
            turn = f"{TURN}{event.turn_id}"
            await store_pushes.hurry(tx.conn, here.account, [event.task_id, turn])
    if here.account not in listening.accounts:
        return
    said = event.model_dump(mode="json", include={"task_id", "total_cost", "turn_id"})
    async with db.transaction(here) as tx:
        # A task that was taken up again ends again: the message's id tells the two apart.
        await tell(tx, here.account, type_, here.id, said)
