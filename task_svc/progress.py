"""What a step's agent says before it is done: kept with the step, and told to who reads along."""

import asyncio
from typing import Any

from chassis.db.database import Database
from contracts.envelope import Envelope
from contracts.task_events import StepProgress
from task_svc import store_operations
from task_svc.answers import MAX_WORDS
from task_svc.domain import readable
from task_svc.protocols.job import Operation, Progress
from task_svc.rows import Step

EVERY_S = 1.0
"""The shortest time between two tellings of a step."""
MOST = 1_000
"""Tellings of one step by one process, however talkative its agent is."""


class StepNotes:
    """The notes of one step."""

    def __init__(self, db: Database, step: Step, cause: Envelope) -> None:
        """Begin with what is kept with the step."""
        self._db, self._step, self._cause = db, step, cause
        self.operation = None if step.operation is None else Operation(**step.operation)
        known = self.operation
        self._told = (known.percent, known.message) if known else (None, None)
        self._not_before = float("-inf")
        self._left = MOST

    async def keep(self, operation: Operation) -> None:
        """Store where the work is asked after."""
        self.operation = operation
        async with self._db.transaction() as tx:
            await store_operations.keep(tx.conn, self._step.id, _row(operation))

    async def tell(self, progress: Progress) -> None:
        """Publish how far the agent is, when that is news and the last time is long enough ago."""
        said = readable(" ".join((progress.message or "").split()), MAX_WORDS)
        news = progress.percent, said or None
        now = asyncio.get_running_loop().time()
        if news in ((None, None), self._told) or now < self._not_before or not self._left:
            return
        self._told, self._not_before, self._left = news, now + EVERY_S, self._left - 1
        step = self._step
        event = StepProgress(
            task_id=step.task_id,
            step_id=step.id,
            agent_id=step.agent_id,
            percent=news[0],
            message=news[1],
            turn_id=step.turn_id,
        )
        async with self._db.transaction(self._cause) as tx:
            if self.operation is None:
                goes_on = await store_operations.is_open(tx.conn, step.id)
            else:
                told = {"percent": news[0], "message": news[1]}
                self.operation = self.operation.model_copy(update=told)
                goes_on = await store_operations.keep(tx.conn, step.id, _row(self.operation))
            if goes_on:
                tx.publish(event, account=step.account)


def _row(operation: Operation) -> dict[str, Any]:
    return operation.model_dump(mode="json")
