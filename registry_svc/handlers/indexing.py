"""What agents are found by, kept in line with them where a change does not do so itself."""

from collections.abc import Iterable

from chassis.db.database import Database
from registry_svc import store, store_words

AT_ONCE = 100
UNFOUND_EVERY_S = 60.0
STARS_EVERY_S = 5.0
"""How far what is sorted by ratings may lag behind them."""


async def index_unfound(db: Database) -> None:
    """Have agents found that a release before this one, or beside it, listed."""
    while True:
        async with db.transaction() as tx:
            ids = await store_words.unfound(tx.conn, AT_ONCE)
            for agent_id in ids:
                if agent := await store.find(tx.conn, agent_id, lock=True):
                    await store_words.put(tx.conn, agent)
        if len(ids) < AT_ONCE:
            return


class Stars:
    """Ratings that moved and were not noted for those who look for good ones.

    What a replica forgets when it dies is noted with the agent's next job.
    """

    def __init__(self, db: Database) -> None:
        """Note into `db`."""
        self._db = db
        self._moved: set[str] = set()

    def moved(self, ids: Iterable[str]) -> None:
        """The ratings of these agents may have moved."""
        self._moved.update(ids)

    async def note(self) -> None:
        """Note what moved since the last time."""
        if not self._moved:
            return
        moved, self._moved = sorted(self._moved), set()
        async with self._db.transaction() as tx:
            for agent_id in moved:
                agent = await store.find(tx.conn, agent_id)
                if agent and (rating := agent.view().rating) != agent.stars:
                    await store_words.set_stars(tx.conn, {agent_id: rating})
