"""Steps whose agents are at work for this replica, and hanging up on them when they are over.

A step can be ended elsewhere while its agent works: it was cancelled, or another replica finished
it. What the agent answers then is worth nothing, and it is told so by closing its connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.db.database import Database
from task_svc import store_cancelling

LOOKS = 4
"""How often, in the time between two sweeps, a replica makes sure that its work is still wanted."""


class HungUp(Exception):
    """The step that was worked on is over; how it ended is recorded."""


class Calls:
    """The steps that this replica works on, from the hold to the agent's bill."""

    def __init__(self, db: Database) -> None:
        """Look at the steps in `db`."""
        self._db = db
        self._under_way: dict[str, asyncio.Timeout] = {}

    @asynccontextmanager
    async def under_way(self, step_id: str) -> AsyncIterator[None]:
        """Do the work of a step, for as long as it is not over.

        Raises:
            HungUp: it is over.
        """
        try:
            async with asyncio.timeout(None) as until:
                self._under_way[step_id] = until
                try:
                    yield
                finally:
                    self._under_way.pop(step_id, None)
        except TimeoutError as error:
            if until.expired():
                raise HungUp from error
            raise

    async def make_sure(self, step_id: str) -> None:
        """Find out, before an agent is called for a step, whether that is wanted still.

        Raises:
            HungUp: the step is over.
        """
        async with self._db.transaction(reads=True) as tx:
            if await store_cancelling.ended_of(tx.conn, [step_id]):
                raise HungUp

    async def look(self) -> None:
        """Hang up on the agents whose steps were ended elsewhere."""
        if ids := list(self._under_way):
            async with self._db.transaction(reads=True) as tx:
                over = await store_cancelling.ended_of(tx.conn, ids)
            now = asyncio.get_running_loop().time()
            for step_id in over:
                if until := self._under_way.pop(step_id, None):
                    until.reschedule(now)
