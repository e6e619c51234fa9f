"""The agent's work for a step: the hold, the job, and how its answer becomes an outcome and a bill.

What the step was promised to cost is held before the agent is asked. Every part can be done again
with the same ids and comes to the same: the hold has the step's id, the agent the same
Idempotency-Key.
"""

from decimal import Decimal
from functools import partial
from typing import Any

from chassis.bus.calls import Bus
from chassis.db.database import Database
from contracts.envelope import Envelope
from contracts.errors import Conflict, Internal, NotFound, PaymentRequired, TooSlow, Unavailable
from contracts.payment import EXTEND_HOLD, PLACE_HOLD, ExtendHold, PlaceHold
from task_svc import paying, store
from task_svc.agents import Agents
from task_svc.answers import AgentFailure
from task_svc.beginning import nobody_waits, waits_s
from task_svc.calls import Calls, HungUp
from task_svc.domain import Quote, billed, charge, hold_amount, with_price
from task_svc.ending import Done, Failed, Postponed
from task_svc.pricing import paid
from task_svc.progress import StepNotes
from task_svc.protocols.job import Job, Waiting
from task_svc.restraint import Restraint
from task_svc.rows import Step

# No reason of the agent's, and none that is for good: asked again, it is carried out.
NOBODY_WAITS = Failed("payment_unavailable", "Nobody waits any more; the agent was not called.")


class Working:
    """What the work needs: the database, the payment service, the agents."""

    def __init__(
        self, db: Database, bus: Bus, agents: Agents, restraint: Restraint, patience_s: float
    ) -> None:
        """Keep the ways out of this process.

        Args:
            db: where steps are.
            bus: the way to the payment service.
            agents: the way to them.
            restraint: hears of agents that want to be left alone.
            patience_s: how long work that can be asked for later is waited for at a stretch.
        """
        self._db = db
        self._bus = bus
        self._agents = agents
        self._restraint = restraint
        self._patience_s = patience_s
        self.calls = Calls(db)

    async def outcome(
        self, step: Step, quote: Quote, payload: dict[str, Any], cause: Envelope
    ) -> Done | Failed:
        """Have the agent do a step that is in progress, unless the step is ended meanwhile.

        Raises:
            Postponed: another service is away, or the work takes its time; nothing was decided.
        """
        try:
            async with self.calls.under_way(step.id):
                return await self._work(step, quote, payload, cause)
        except HungUp:
            async with self._db.transaction(reads=True) as tx:
                known = await store.find_step(tx.conn, step.id)
            self._agents.give_up(quote, known.operation)
            return Failed("cancelled", "The step was ended meanwhile.")

    async def _work(
        self, step: Step, quote: Quote, payload: dict[str, Any], cause: Envelope
    ) -> Done | Failed:
        if nobody_waits(step, cause):
            return NOBODY_WAITS
        left_s = waits_s(cause)
        cause = cause.for_ever()
        called = False
        try:
            held = await self._held(step, quote, cause)
            called = True
            answer = await self._agents.execute(self._job(step, quote, payload, cause, left_s))
            if answer.outside:
                return Done(answer, *paying.bill(held, answer), quote)
            total = billed(answer.cost, answer.external_cost, quote)
            if total > held and step.max_price is None and quote.agreed is None:
                # It began in a release without promises.
                more = ExtendHold(hold_id=step.id, amount=total)
                held = (await self._bus.ask(EXTEND_HOLD, more, cause)).held
        except Waiting as waiting:
            raise Postponed(str(waiting), agent_called=True, delay_s=waiting.delay_s) from waiting
        except AgentFailure as failure:
            if failure.wait_s:
                self._restraint.rest(step.agent_id, failure.wait_s)
            return Failed(failure.reason, failure.message)
        except PaymentRequired as refused:
            return Failed("not_covered", refused.message)
        except (Conflict, NotFound) as refused:
            return Failed("cancelled", refused.message)
        except (Unavailable, TooSlow, Internal) as error:
            raise Postponed(error.message, agent_called=called) from error
        asked = charge(answer.cost, quote)
        return Done(answer, paid(held, asked, answer.external_cost, quote.promise), total, quote)

    async def _held(self, step: Step, quote: Quote, cause: Envelope) -> Decimal:
        """What was set aside for a step; of a turn's, its task may have ended meanwhile.

        Raises:
            HungUp: so it was.
        """
        held = (await self._bus.ask(PLACE_HOLD, _hold(step, quote), cause)).held
        if step.turn_id is not None:
            await self.calls.make_sure(step.id)
        return held

    def _job(
        self, step: Step, quote: Quote, payload: dict[str, Any], cause: Envelope, left_s: float
    ) -> Job:
        notes = StepNotes(self._db, step, cause)
        return Job(
            agent_id=step.agent_id,
            quote=quote,
            payload=with_price(payload, quote),
            key=quote.agent_key or step.id,
            traceparent=cause.traceparent,
            subtask_type=step.subtask_type,
            again=step.attempts > 1 or quote.agent_key is not None,
            operation=notes.operation,
            limit_s=quote.limit_s or self._patience_s,
            patience_s=max(self._patience_s, left_s),
            notes=notes,
            pay=partial(paying.pay, self._bus, step, quote, cause) if quote.paid_by else None,
        )


def _hold(step: Step, quote: Quote) -> PlaceHold:
    return PlaceHold(
        hold_id=step.id,
        task_id=step.task_id,
        agent_id=step.agent_id,
        amount=hold_amount(quote, step.max_price),
        max_budget=step.max_budget,
        replaces=step.replaces,
        list_price=quote.agreed.list_price if quote.agreed else None,
        quoted=quote.promise.price if quote.promise else None,
        tolerance=quote.promise.tolerance if quote.promise else None,
    )
