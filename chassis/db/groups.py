"""Group commit: what many messages do at the same time goes into one transaction.

While one group is being committed the next one gathers, and groups follow each other at a distance:
an idle service commits each message at once by itself, and a busy one commits many together, with
one inbox statement, one outbox row and one sync to disk. Each message still takes effect exactly
once, and none fails for another's sake.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.db.database import Database
from chassis.db.together import Waiting, settle
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope

MOST_IN_A_GROUP = 64
ENOUGH = 32
"""So many do not wait for more: no more than these are in work of one durable."""

ItemT = TypeVar("ItemT")


@dataclass(slots=True)
class Member(Waiting[None], Generic[ItemT]):
    """A message in a group: who consumes it, its envelope, and what it asks for."""

    consumer: str
    here: Envelope
    item: ItemT


Work = Callable[[Transaction, Sequence[Member[ItemT]]], Awaitable[None]]


class GroupCommit(Generic[ItemT]):
    """Gathers messages for one piece of work."""

    def __init__(self, db: Database, work: Work[ItemT], *, apart_s: float = 0) -> None:
        """Have `work` done in `db` for groups of messages, none of them done before.

        Args:
            db: where it is done.
            work: what is done, in one transaction for the group.
            apart_s: how far apart groups begin, unless one is large.
        """
        self._db = db
        self._work = work
        self._apart_s = apart_s
        self._next_at = 0.0
        self._enough = asyncio.Event()
        self._waiting: list[Member[ItemT]] = []
        self._in_work: list[Member[ItemT]] = []
        self._committing: asyncio.Task[None] | None = None

    async def add(
        self, consumer: str, here: Envelope, item: ItemT, *, awaited: bool = False
    ) -> None:
        """Do the work for a message; returns when that is committed, now or before.

        Args:
            consumer: who consumes it.
            here: its envelope.
            item: what it asks for.
            awaited: whether somebody waits for it, so that it waits for no others.

        Raises:
            Exception: what the work raised for this message.
        """
        member = Member(consumer, here, item)
        self._waiting.append(member)
        if awaited or len(self._waiting) >= ENOUGH:
            self._enough.set()
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        await member.done

    async def settled(self, concerns: Callable[[ItemT], bool], at_most_s: float) -> None:
        """Do at once what waits for others and concerns whoever asks.

        Returns when it is done or failed.

        Args:
            concerns: whether a message does.
            at_most_s: how long that is waited for.
        """
        begun = [member.done for member in self._in_work if concerns(member.item)]
        waiting = [member.done for member in self._waiting if concerns(member.item)]
        if waiting:
            self._enough.set()
        if due := [*begun, *waiting]:
            await asyncio.wait(due, timeout=at_most_s)

    async def _commit_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_at):
                    await self._enough.wait()
            self._next_at = loop.time() + self._apart_s
            self._in_work = self._waiting[:MOST_IN_A_GROUP]
            del self._waiting[:MOST_IN_A_GROUP]
            if len(self._waiting) < ENOUGH:
                self._enough.clear()
            await settle(self._in_work, self._commit)
            self._in_work = []

    async def _commit(self, group: Sequence[Member[ItemT]]) -> Sequence[None]:
        async with self._db.transaction(group[-1].here) as tx:
            if fresh := await self._db.first_time(tx, group):
                tx.touches(*(member.here.account for member in fresh))
                await self._work(tx, fresh)
        return [None] * len(group)
