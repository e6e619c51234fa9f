"""What many requests ask for at the same moment is done by one transaction.

While one group is being committed the next one gathers: who comes alone is done at once, and on a
busy service a commit, and the way to the server, are shared. Nobody waits for a group to grow, and
nobody fails for another's sake. For messages of durables there is `chassis.db.groups`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from chassis.db.away import is_away

MOST_TOGETHER = 64

ItemT = TypeVar("ItemT")
DoneT = TypeVar("DoneT")


@dataclass(slots=True)
class Waiting(Generic[DoneT]):
    """Somebody who waits for work that is done in a group."""

    done: "asyncio.Future[DoneT]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future(), kw_only=True
    )


WaitingT = TypeVar("WaitingT", bound="Waiting[Any]")


async def settle(
    group: Sequence[WaitingT], work: Callable[[Sequence[WaitingT]], Awaitable[Sequence[object]]]
) -> None:
    """Have the work of a group done, and tell each what came of it.

    One must not fail for another's sake: when the work of all has failed, each gets its own; but
    not while the database is away.

    Args:
        group: who waits.
        work: does it by one transaction, whole or not; returns what there is to tell, in turn.
    """
    try:
        found = await work(group)
    except Exception as error:  # noqa: BLE001  (it belongs to those who wait, who are told)
        if len(group) > 1 and not is_away(error):
            for one in group:
                await settle([one], work)
            return
        for one in group:
            if not one.done.done():
                one.done.set_exception(error)
    else:
        for one, done in zip(group, found, strict=True):
            if not one.done.done():
                one.done.set_result(done)


@dataclass(slots=True)
class _Asked(Waiting[DoneT], Generic[ItemT, DoneT]):
    item: ItemT


class Together(Generic[ItemT, DoneT]):
    """Gathers requests for one piece of work."""

    def __init__(self, work: Callable[[Sequence[ItemT]], Awaitable[Sequence[DoneT]]]) -> None:
        """Have `work` do items by one transaction, whole or not; it tells of each in turn."""
        self._work = work
        self._waiting: list[_Asked[ItemT, DoneT]] = []
        self._working: asyncio.Task[None] | None = None

    async def do(self, item: ItemT) -> DoneT:
        """Have an item done, with those that come meanwhile; returns when that is committed.

        Raises:
            Exception: what the work raised for this item alone, or for all while the database is
                away.
        """
        mine: _Asked[ItemT, DoneT] = _Asked(item)
        self._waiting.append(mine)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work_all())
        return await mine.done

    async def _work_all(self) -> None:
        while self._waiting:
            group = self._waiting[:MOST_TOGETHER]
            del self._waiting[:MOST_TOGETHER]
            await settle(group, self._do)

    async def _do(self, group: Sequence[_Asked[ItemT, DoneT]]) -> Sequence[DoneT]:
        return await self._work([one.item for one in group])
