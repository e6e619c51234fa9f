"""Runs steps of this replica: a bounded number at once, each under a lease that is renewed.

The steps table is the queue. Whoever makes a step ready wakes its own runner; a sweep finds what
nobody runs: steps of a replica that died, and steps that were postponed.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator

import structlog

from chassis.database import Database
from chassis.envelopes import new_id
from contracts.envelope import Envelope
from task_svc import store
from task_svc.saga import Postponed, Saga
from task_svc.settings import Settings

log = structlog.get_logger()


def postponement_s(attempts: int) -> float:
    """Seconds until a postponed step is tried again, by how often it was: 0.5, 1, 2 ... 15."""
    return float(min(15.0, 0.5 * 2 ** (min(attempts, 10) - 1)))


class Runner:
    """This replica's running steps."""

    def __init__(self, db: Database, saga: Saga, settings: Settings) -> None:
        """Prepare to run up to `settings.running_steps` steps at once."""
        self.owner = new_id()
        self.lease_s = settings.lease_s
        self._db = db
        self._saga = saga
        self._limit = settings.running_steps
        self._running: dict[str, asyncio.Task[None] | None] = {}
        self._closed = False

    def wake(self, step_ids: Iterable[str]) -> None:
        """Run these steps now if this replica has room; the sweep finds them otherwise."""
        wanted = [id_ for id_ in step_ids if id_ not in self._running]
        if wanted and not self._closed:
            job = asyncio.create_task(self._claim(len(wanted), wanted))
            self._running[f"claim-{id(job)}"] = job
            job.add_done_callback(lambda _: self._running.pop(f"claim-{id(job)}", None))

    async def sweep(self) -> None:
        """Take steps that nobody runs, as many as there is room for."""
        if not self._closed and (room := self._limit - len(self._running)) > 0:
            await self._claim(min(room, 16), None)

    async def renew(self) -> None:
        """Keep the leases of the steps that are being run here."""
        if ids := [id_ for id_ in self._running if not id_.startswith("claim-")]:
            async with self._db.transaction() as tx:
                await store.renew(tx.conn, self.owner, self.lease_s, ids)

    @contextlib.contextmanager
    def holding(self, step_id: str) -> Iterator[None]:
        """Count a step that is run elsewhere in this process, so that its lease is renewed."""
        self._running[step_id] = None
        try:
            yield
        finally:
            self._running.pop(step_id, None)

    async def drain(self, at_most_s: float = 8.0) -> None:
        """Let running steps end; what does not end in time is left for another replica."""
        self._closed = True
        jobs = [job for job in self._running.values() if job is not None]
        if jobs:
            _, late = await asyncio.wait(jobs, timeout=at_most_s)
            for job in late:
                job.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _claim(self, limit: int, only: list[str] | None) -> None:
        room = self._limit - len(self._running) + (1 if only is not None else 0)
        if room <= 0:
            return
        async with self._db.transaction() as tx:
            taken = await store.claim(tx.conn, self.owner, self.lease_s, min(limit, room), only)
        for step in taken:
            job = asyncio.create_task(self._run(step))
            self._running[step.id] = job

    async def _run(self, step: store.Found) -> None:
        cause = Envelope.model_validate(step.cause)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            task_id=step.task_id, step_id=step.id, correlation_id=cause.correlation_id
        )
        ready: list[str] = []
        try:
            _, ready = await self._saga.run(step, cause)
        except Postponed as waiting:
            delay = postponement_s(step.attempts)
            log.warning("step postponed", waits_for=waiting.message, delay_s=delay)
            async with self._db.transaction() as tx:
                await store.postpone(tx.conn, step.id, self.owner, delay)
        except Exception:
            # The lease runs out and the step is found again; hiding the defect would lose it.
            log.exception("step interrupted")
        finally:
            self._running.pop(step.id, None)
            self.wake(ready)
