"""Runs steps of this replica: a bounded number at once, each under a lease that is renewed.

The steps table is the queue. Whoever makes a step ready takes it in the same transaction where this
replica has room (`task_svc.taking`), or else wakes its own runner; a sweep finds what nobody runs:
steps of a replica that died, and steps that were postponed. A step whose agent or account has its
share under way stays in the queue, and takes no room.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from functools import partial

import structlog

from chassis.bus.envelopes import new_id
from chassis.db.away import is_away, is_unstorable
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chassis.endings import end, told_to_end
from contracts.envelope import Envelope
from contracts.errors import Invalid
from task_svc import store_leases
from task_svc.beginning import Begun
from task_svc.ending import Failed, Postponed, answer_to
from task_svc.places import Place, Places
from task_svc.rows import Step
from task_svc.saga import Saga
from task_svc.settings import Settings

log = structlog.get_logger()

MOST_FAILURES = 5
"""Tries that may end with what nobody expects, before a step is given up."""
GIVEN_UP = "Something went wrong on our side, again and again."


def postponement_s(attempts: int) -> float:
    """Seconds until a postponed step is tried again, by how often it was: 0.5, 1, 2 ... 15."""
    return float(min(15.0, 0.5 * 2 ** (min(attempts, 10) - 1)))


def _is_hopeless(error: Exception) -> bool:
    """Whether what came of a step can be stored at no try: as it is, or as it would be told."""
    return is_unstorable(error) or isinstance(error, Invalid)


class Runner:
    """This replica's running steps."""

    def __init__(self, db: Database, saga: Saga, settings: Settings) -> None:
        """Prepare to run up to `settings.running_steps` steps at once."""
        self.owner = new_id()
        self.lease_s = settings.lease_s
        self._db = db
        self._saga = saga
        self._places = Places(settings)
        self._running: dict[str, asyncio.Task[None] | None] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._claims: set[asyncio.Task[None]] = set()
        self._claiming = asyncio.Lock()
        self._behind = False
        self._closed = False

    def wake(self, step_ids: Iterable[str]) -> None:
        """Run these steps now if this replica has room; they are found later otherwise."""
        if wanted := [id_ for id_ in step_ids if id_ not in self._running]:
            self._claim_soon(wanted)

    def place(self, tx: Transaction, agent_id: str, account: str) -> Place | None:
        """A place for a step that is taken in a transaction; None when there is none."""
        places = self._places
        if self._closed or places.free <= 0 or not places.take(agent_id, account):
            return None
        leave = partial(self._leave, agent_id, account)
        return Place(self.owner, self.lease_s, tx, self._run_soon, leave)

    async def sweep(self) -> None:
        """Take steps that nobody runs, as many as there is room for."""
        await self._claim(None)

    async def renew(self) -> None:
        """Keep the leases of the steps that are being run here."""
        if ids := list(self._running):
            async with self._db.transaction(at_once=True) as tx:
                await store_leases.renew(tx.conn, self.owner, self.lease_s, ids)

    @contextlib.asynccontextmanager
    async def holding(self, step: Step) -> AsyncIterator[None]:
        """Count a step that is run elsewhere in this process, so that its lease is renewed."""
        self._running[step.id] = None
        try:
            yield
        except asyncio.CancelledError:
            if told_to_end():
                await self._give_back(step)
            raise
        finally:
            self._running.pop(step.id, None)

    def close(self) -> None:
        """Begin no further step; those that are ready are left for other replicas."""
        self._closed = True

    async def drain(self, at_most_s: float) -> None:
        """Let running steps end; what does not end in time is left for another replica."""
        self.close()
        late = asyncio.get_running_loop().time() + at_most_s
        while jobs := [*self._claims, *self._jobs]:
            left_s = late - asyncio.get_running_loop().time()
            _, unfinished = await asyncio.wait(jobs, timeout=max(0.0, left_s))
            await end(*unfinished)

    def _claim_soon(self, only: list[str] | None) -> None:
        job = asyncio.create_task(self._try_claim(only))
        self._claims.add(job)
        job.add_done_callback(self._claims.discard)

    async def _try_claim(self, only: list[str] | None) -> None:
        try:
            await self._claim(only)
        except Exception as error:  # noqa: BLE001  (the sweep will find what was not claimed)
            log.warning("no steps claimed", error=error)

    async def _claim(self, only: list[str] | None) -> None:
        """Take these steps, or any, as far as there is room, and run them."""
        async with self._claiming:
            room = self._places.free
            limit = room if only is None else min(room, len(only))
            if self._closed or limit <= 0:
                self._behind = True
                return
            with self._places.kept(limit):
                taken = await self._claim_within_shares(limit, only)
            crowded = any(self._places.full())
            if only is None:
                self._behind = crowded or taken == limit
            elif crowded or limit < len(only):
                self._behind = True

    async def _claim_within_shares(self, limit: int, only: list[str] | None) -> int:
        """Take up to `limit` steps and run them; how many were taken."""
        taken: list[Step] = []
        with contextlib.ExitStack() as undo:
            # Each statement is on its own: what is claimed and not run is found after its lease.
            async with self._db.transaction(at_once=True) as tx:
                while len(taken) < limit:
                    room = limit - len(taken)
                    agents, accounts = self._places.full()
                    found = await store_leases.claim(
                        tx.conn,
                        self.owner,
                        self.lease_s,
                        room,
                        only,
                        no_agents=agents,
                        no_accounts=accounts,
                    )
                    beyond: list[str] = []
                    for step in found:
                        # One of our own whose lease ran out, because this process was held up,
                        # goes on.
                        if step.id in self._running:
                            continue
                        if self._places.take(step.agent_id, step.account):
                            undo.callback(self._places.leave, step.agent_id, step.account)
                            taken.append(step)
                        else:
                            beyond.append(step.id)
                    if not beyond:
                        break
                    await store_leases.release(tx.conn, self.owner, beyond)
            undo.pop_all()
        for step in taken:
            self._run_soon(step)
        return len(taken)

    def _run_soon(self, step: Step, begun: Begun | None = None) -> None:
        job = self._running[step.id] = asyncio.create_task(self._run(step, begun))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _run(self, step: Step, begun: Begun | None) -> None:
        ready: list[str] = []
        try:
            ready = await self._advance(step, begun)
        except asyncio.CancelledError:
            if told_to_end():
                await self._give_back(step)
            raise
        except Exception as error:
            if is_away(error):
                log.warning("step interrupted", step_id=step.id, error=error)
            else:
                log.exception("step failed unexpectedly", step_id=step.id, error=error)
                # Run again, later and later; after too many tries, ended.
                failures = MOST_FAILURES if _is_hopeless(error) else 1
                self._let_go(step)
                await self._give_back(step, postponement_s(step.failures + 1), failures)
        finally:
            self._let_go(step)
            if not self._closed:
                self.wake(ready)
            self._leave(step.agent_id, step.account)

    def _leave(self, agent_id: str, account: str) -> None:
        """Let others have a place."""
        self._places.leave(agent_id, account)
        if self._behind and not self._closed:
            self._claim_soon(None)

    def _let_go(self, step: Step) -> None:
        """Run a step no more: before it is given back, as a sweep here may take it at once."""
        if self._running.get(step.id) is asyncio.current_task():
            del self._running[step.id]

    async def _give_back(self, step: Step, delay_s: float = 0, failures: int = 0) -> None:
        """Let any replica have a step; at once and as no failure when this one stops."""
        try:
            async with asyncio.timeout(self.lease_s), self._db.transaction() as tx:
                await store_leases.postpone(
                    tx.conn, step.id, self.owner, delay_s, failures=failures
                )
        except Exception as error:  # noqa: BLE001  (the lease runs out, and the step is found again)
            log.warning("step not given back", step_id=step.id, error=error)

    async def _advance(self, step: Step, begun: Begun | None) -> list[str]:
        """Run a step to its end or give it back; returns the ids that became ready by it."""
        cause = Envelope.model_validate(step.cause)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            task_id=step.task_id, step_id=step.id, correlation_id=cause.correlation_id
        )
        try:
            if step.failures >= MOST_FAILURES:  # It may end whoever runs it.
                outcome, ready = await self._saga.end(step, Failed("cancelled", GIVEN_UP), cause)
            elif begun is not None:
                outcome, ready = await self._saga.finish(*begun, cause.for_ever())
            else:
                outcome, ready = await self._saga.run(step, cause)
        except Postponed as waiting:
            if (delay := waiting.delay_s) is None:
                delay = postponement_s(step.attempts)
                log.warning("step postponed", error=waiting, delay_s=delay)
            self._let_go(step)
            async with self._db.transaction() as tx:
                await store_leases.postpone(
                    tx.conn, step.id, self.owner, delay, tried=waiting.tried
                )
            return []
        if step.reply_to is not None:
            # The replica that was asked has died, or was held up for longer than its lease.
            await self._saga.bus.reply(step.reply_to, answer_to(step, outcome))
        return ready
