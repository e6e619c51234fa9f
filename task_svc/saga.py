"""The course of a step from its quote to its recorded end.

What a step may cost is promised when it begins and kept with its quote; then its agent is put to
work (`task_svc.working`), and what came of it is recorded.

Every part can be done again with the same ids and comes to the same: the hold has the step's id,
the agent the same Idempotency-Key, and the end of a step is recorded once. So a step that was
interrupted anywhere is simply run again, by whichever replica finds it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError

from chassis.bus.calls import Bus
from chassis.db.database import Database
from contracts.envelope import Envelope
from contracts.errors import Internal, NotFound, TooSlow, Unavailable
from contracts.task_events import StepStarted
from task_svc import agreements, approving, store
from task_svc.agreements import Unusable
from task_svc.answers import MOST_WAIT_S
from task_svc.approving import NotApproved
from task_svc.beginning import (
    Begun,
    Terms,
    nobody_waits,
    payload_of,
    quote_columns,
    start_task,
)
from task_svc.domain import Quote, hold_amount
from task_svc.ending import Done, Failed, Freed, Postponed, end_call, end_step, recorded
from task_svc.pricing import most_of, promise_of
from task_svc.quotes import OffTheMarket, Quotes
from task_svc.restraint import NotNow, Restraint, take_place
from task_svc.rows import Step, Task
from task_svc.working import NOBODY_WAITS, Working

log = structlog.get_logger()

REFUND_WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""How long the end of a step waits for a refund that its price was paid from, try by try."""
OVER = Failed("cancelled", "The step was cancelled.")


class Saga:
    """What running a step needs: the database, the other services, the agent's work.

    Attributes:
        freed: may take steps that are ready by the end of another one.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        quotes: Quotes,
        restraint: Restraint,
        working: Working,
        tolerance: Decimal,
        attempts: int,
    ) -> None:
        """Keep what it works with.

        Args:
            db: where steps are.
            bus: the way to the other services.
            quotes: what agents cost.
            restraint: whom not to call now.
            working: from the hold to what came of the agent's work.
            tolerance: how far a bill may go beyond its quote.
            attempts: how often a step is put off for an agent that is not to be called now.
        """
        self.db = db
        self.bus = bus
        self.quotes = quotes
        self.restraint = restraint
        self.tolerance = tolerance
        self.freed: Freed | None = None
        self._working = working
        self._attempts = attempts

    async def run(self, step: Step, cause: Envelope) -> tuple[Done | Failed, list[str]]:
        """Run a claimed step to its end, from wherever it was left.

        Returns:
            The outcome, and the ids of steps that became ready by it.

        Raises:
            Postponed: another service is away; nothing was decided.
        """
        if nobody_waits(step, cause):
            return await self.end(step, NOBODY_WAITS, cause)
        cause = cause.for_ever()
        with ExitStack() as through:
            begin = partial(self._begin, step, cause, through)
            try:
                begun = await approving.begun(self.bus, step, cause, begin)
            except NotNow as why:
                return await self._later(step, why, cause)
            except approving.StillWaits as why:
                raise Postponed(why.message, delay_s=approving.LOOK_S, tried=False) from None
            except (Unusable, approving.Rejected) as why:
                return await self.end(step, Failed("not_covered", why.message), cause)
            except (NotFound, OffTheMarket) as why:
                return await self.end(step, Failed("agent_unknown", why.message), cause)
            except KeyError as missing:
                failed = Failed("dependency_failed", f"Step {missing} has no result.")
                return await self.end(step, failed, cause)
            except (Unavailable, TooSlow, Internal) as error:
                raise Postponed(error.message) from error
            return await self.finish(*begun, cause) if begun else (OVER, [])

    async def _later(
        self, step: Step, why: NotNow, cause: Envelope
    ) -> tuple[Done | Failed, list[str]]:
        """Put a step off whose agent is not to be called now, or give it to who takes it over.

        Raises:
            Postponed: it may go better soon.
        """
        if step.attempts < self._attempts and (why.wait_s or 0) <= MOST_WAIT_S:
            raise Postponed(why.message, delay_s=why.wait_s) from why
        return await self.end(step, Failed("agent_busy", why.message), cause)

    async def finish(
        self,
        step: Step,
        quote: Quote,
        payload: dict[str, Any],
        cause: Envelope,
        task: Task | None = None,
    ) -> tuple[Done | Failed, list[str]]:
        """The part from the hold on, for a step that is in progress. Raises like `run`.

        If its `task` is still as it is given here, the end is one statement.
        """
        outcome = await self._working.outcome(step, quote, payload, cause)
        if task is not None:
            async with self.db.transaction(cause, at_once=True) as tx:
                if await end_call(tx, task, step, outcome):
                    return outcome, []
        return await self.end(step, outcome, cause)

    async def end(
        self, step: Step, outcome: Done | Failed, cause: Envelope
    ) -> tuple[Done | Failed, list[str]]:
        """Record how a step ended, once; what was recorded before stays true.

        Right after a refund its room in the budget can be spent before this service has heard of
        it. Then the end waits for that: the agent has done its work and is not asked twice.
        """
        for wait_s in REFUND_WAITS_S:
            try:
                return await self._end(step, outcome, cause)
            except IntegrityError as error:
                if not store.is_over_budget(error):
                    raise
            log.info("a refund was not heard of yet", step_id=step.id)
            await asyncio.sleep(wait_s)
        return await self._end(step, outcome, cause)

    async def _end(
        self, step: Step, outcome: Done | Failed, cause: Envelope
    ) -> tuple[Done | Failed, list[str]]:
        async with self.db.transaction(cause) as tx:
            ready = await end_step(tx, step, outcome, self.freed)
            if ready is None:
                log.warning("step had ended before", step_id=step.id)
                known = await store.find_step(tx.conn, step.id)
                return recorded(known), []
        return outcome, ready

    def promised(self, quote: Quote, payload: dict[str, Any]) -> Quote:
        """A quote with what a call with this payload may cost."""
        return quote.model_copy(update={"promise": promise_of(quote, payload, self.tolerance)})

    def at_once(
        self,
        agent_id: str,
        max_price: Decimal | None,
        payload: Mapping[str, Any],
        cause: Envelope,
    ) -> Terms | None:
        """How a step begins now, if that asks nobody: neither for a price nor for permission."""
        quote = self.quotes.known(agent_id)
        if quote is None or not self.restraint.is_free(agent_id, quote):
            return None
        if cause.spender is not None or cause.is_over():
            return None
        quote = self.promised(quote, dict(payload))
        return Terms(quote, most_of(quote.promise, max_price))

    async def _begin(
        self, step: Step, cause: Envelope, through: ExitStack, approved: Decimal | None
    ) -> Begun | None:
        """Quote a pending step and start it; an interrupted one keeps its first quote.

        Args:
            step: which.
            cause: what it follows from.
            through: holds what the call counts as, until it has ended.
            approved: up to how much its hold was approved; None when nobody was asked yet.

        Returns:
            The step, which from now on may cost what was promised at most, its quote, and what the
            agent is sent; None when it is over.

        Raises:
            NotApproved: its credential has limits, and more than `approved` will be held for it.
        """
        if step.quote is not None:
            async with self.db.transaction(reads=True) as tx:
                payload = await payload_of(tx, step)
            return Begun(step, Quote.model_validate(step.quote), payload)
        quote = await self.quotes.of(step.agent_id, cause)
        async with self.db.transaction(cause) as tx:
            task = await store.find_task(tx.conn, step.task_id, step.account, lock=True)
            if task is None:
                return None
            if step.negotiation_id is not None:
                agreed = await agreements.use(tx.conn, step)
                quote = quote.model_copy(update={"agreed": agreed})
            payload = await payload_of(tx, step)
            quote = self.promised(quote, payload)
            step = step._replace(max_price=most_of(quote.promise, step.max_price))
            amount = hold_amount(quote, step.max_price)
            if cause.spender is not None and (approved is None or amount > approved):
                raise NotApproved(amount)
            through.enter_context(self.restraint.through(step.agent_id, quote))
            await take_place(tx, step.agent_id, quote)
            columns = quote_columns(quote, step.max_price)
            if not await store.begin_step(tx.conn, step.id, **columns):
                return None
            await start_task(tx, task)
            tx.publish(
                StepStarted(
                    task_id=step.task_id,
                    step_id=step.id,
                    agent_id=step.agent_id,
                    turn_id=step.turn_id,
                )
            )
        return Begun(step, quote, payload)
