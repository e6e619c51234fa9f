"""Steps that this replica takes in the very transaction that makes them ready.

Between a step that is ready and its agent would stand a claim and a transaction that begins it,
each with a commit of its own. Where this replica has room, the order that makes a step, or the end
of the one that it waited for, stores it leased; and begun, if nobody has to be asked for that.
What cannot be done so is left as it was: ready, for whoever claims it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.task_events import StepStarted
from task_svc import store, store_leases
from task_svc.beginning import Begun, Terms, quote_columns, start_task
from task_svc.domain import with_results
from task_svc.places import Place
from task_svc.rows import Step, Task

Room = Callable[[Transaction, str, str], Place | None]
"""Room for a step of an agent and an account, in a transaction; None when there is none."""
AtOnce = Callable[[str, Any, Mapping[str, Any], Envelope], Terms | None]
"""How a step of an agent, with its `max_price` and payload, begins now without asking anybody."""


class Stored(NamedTuple):
    """What came of new steps.

    Attributes:
        ids: those that were not known already.
        ready: of these, those that are ready for whoever claims them.
        begun: what is to be told of those that have begun.
    """

    ids: list[str]
    ready: list[str]
    begun: list[StepStarted]


@dataclass(frozen=True, slots=True)
class Taking:
    """What it takes to take a step.

    Attributes:
        room: says whether this replica has room for it.
        at_once: says how it begins.
        wake: has steps claimed that were not taken.
    """

    room: Room
    at_once: AtOnce
    wake: Callable[[Iterable[str]], None]

    async def new(
        self,
        tx: Transaction,
        rows: Sequence[Mapping[str, Any]],
        results: Mapping[str, str],
        cause: Envelope,
    ) -> Stored:
        """Store new steps, in the transaction of the order that they come with.

        Args:
            tx: in it, their task's row is locked.
            rows: their columns, in order.
            results: of the steps that they wait for, as far as these have ended.
            cause: the order.
        """
        found = Stored([], [], [])
        for row in rows:
            waits = bool(row["waits_for"])
            place = None if waits else self.room(tx, row["agent_id"], row["account"])
            if place is None:
                if await store.insert_step(tx.conn, row):
                    found.ids.append(row["id"])
                    found.ready.extend([] if waits else [row["id"]])
                continue
            terms, payload = self._terms(row, results, cause)
            leased = {**row, **_columns(terms), "lease_owner": place.owner}
            step = await store.insert_leased_step(tx.conn, place.lease_s, **leased)
            if step is None:
                place.leave()
                continue
            found.ids.append(step.id)
            if terms is not None:
                found.begun.append(_started(step))
            place.runs(step, terms and Begun(step, terms.quote, payload))
        return found

    async def freed(self, tx: Transaction, task: Task, steps: Sequence[Step]) -> list[str]:
        """Take steps that are ready, as what they waited for has ended in this transaction.

        Returns:
            The ids of those that are left for whoever claims them.
        """
        left: list[str] = []
        for step in steps:
            place = self.room(tx, step.agent_id, step.account)
            if place is None or not await self._take(tx, task, step, place):
                left.append(step.id)
        return left

    async def _take(self, tx: Transaction, task: Task, step: Step, place: Place) -> bool:
        results = await store.results_of(tx.conn, step.task_id, step.depends_on)
        cause = Envelope.model_validate(step.cause)
        terms, payload = None, dict[str, Any]()
        if tx.cause is not None and cause.id == tx.cause.id:  # What is told names it as its cause.
            terms, payload = self._terms(step._asdict(), results, cause)
        columns = _columns(terms)
        taken = await store_leases.take(tx.conn, step.id, place.owner, place.lease_s, **columns)
        if taken is None:
            place.leave()
            return False
        if terms is not None:
            await start_task(tx, task)
            tx.publish(_started(taken))
        place.runs(taken, terms and Begun(taken, terms.quote, payload))
        return True

    def _terms(
        self, row: Mapping[str, Any], results: Mapping[str, str], cause: Envelope
    ) -> tuple[Terms | None, dict[str, Any]]:
        """How a step begins, and what its agent is sent; no terms when that is to be found out."""
        if row.get("quote") is not None or row["negotiation_id"] is not None:
            return None, {}
        try:
            payload = with_results(row["payload"], results) if row["depends_on"] else row["payload"]
        except KeyError:
            return None, {}
        return self.at_once(row["agent_id"], row["max_price"], payload, cause), dict(payload)


def _columns(terms: Terms | None) -> dict[str, Any]:
    if terms is None:
        return {"status": "pending"}
    return {"status": "in_progress", **quote_columns(terms.quote, terms.max_price)}


def _started(step: Step) -> StepStarted:
    return StepStarted(
        task_id=step.task_id, step_id=step.id, agent_id=step.agent_id, turn_id=step.turn_id
    )
