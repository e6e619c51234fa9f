"""What becomes of steps, as far as it concerns the agents that they were given to.

Every step of every task comes by here twice, so these events are taken in groups.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from chassis.db.groups import GroupCommit, Member
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.ledger import PaymentRefunded
from contracts.task_events import StepCompleted, StepFailed, StepStarted
from contracts.topology import Durable
from registry_svc import pricing, rating, store, store_buyers, store_probes
from registry_svc.handlers.indexing import Stars
from registry_svc.tally import STARTED, Tally, completed, failed, thought

log = structlog.get_logger()
APART_S = 0.1
"""Load and ratings may lag this far behind; under load that saves most of their transactions."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an event adds to the counters of an agent, and what it says to who pays."""

    agent_id: str
    tally: Tally
    buyer: str = rating.NOBODY
    outcome: rating.Outcome | None = None


Tallies = GroupCommit[Change]


async def on_step_started(
    event: StepStarted, tallies: Tallies, on: Durable, here: Envelope
) -> None:
    """The agent has one task more."""
    await tallies.add(on.name, here, Change(event.agent_id, STARTED))


async def on_step_completed(
    event: StepCompleted, tallies: Tallies, on: Durable, here: Envelope
) -> None:
    """The agent has one task less, one job more, and so a response time and a rating."""
    tally = completed(event.execution_time)
    paid = bool(event.cost)
    # Not by what was paid: a payer's own `maxPrice` cuts an honest bill too.
    outcome = rating.done(paid=paid, overbilled=event.overbilled)
    buyer = here.account if paid else rating.NOBODY
    await tallies.add(on.name, here, Change(event.agent_id, tally, buyer, outcome))


async def on_step_failed(event: StepFailed, tallies: Tallies, on: Durable, here: Envelope) -> None:
    """The agent has one task less; its rating falls when the failure was its own."""
    tally = failed(event.reason, started=event.started)
    if tally is not None:
        outcome = rating.undone(event.reason, started=event.started)
        await tallies.add(on.name, here, Change(event.agent_id, tally, here.account, outcome))


async def on_payment_refunded(
    event: PaymentRefunded, tallies: Tallies, on: Durable, here: Envelope
) -> None:
    """A payer had work back, which says something to this payer."""
    if event.amount:
        change = Change(event.agent_id, Tally(), here.account, rating.GIVEN_BACK)
        await tallies.add(on.name, here, change)


async def count(
    tx: Transaction, group: Sequence[Member[Change]], stars: Stars | None = None
) -> None:
    """Add a group of changes to the agents' counters, and say whose price moved by that."""
    sums: dict[str, Tally] = {}
    causes: dict[str, Envelope] = {}
    for member in group:
        agent_id = member.item.agent_id
        sums[agent_id] = sums.get(agent_id, Tally()) + member.item.tally
        causes[agent_id] = member.here
    told = [(member.item.agent_id, member.item.buyer, member.item.outcome) for member in group]
    for agent_id, tally in (await opinions(tx, told)).items():
        sums[agent_id] += tally
    # In one order everywhere, so that two replicas wait for each other instead of deadlocking.
    for agent_id in sorted(sums):
        tx.cause = causes[agent_id]
        await _add(tx, agent_id, sums[agent_id])
    if silent := [agent_id for agent_id, tally in sums.items() if tally.silent]:
        # Who does not answer calls is looked after at once: its turn may be a minute away.
        await store_probes.hurry(tx.conn, silent)
    if stars is not None:
        tx.then(partial(stars.moved, sums.keys()))


async def opinions(
    tx: Transaction, told: Iterable[tuple[str, str, rating.Outcome | None]]
) -> dict[str, Tally]:
    """Tell buyers what their calls say; by how much that moves the ratings of the agents.

    Args:
        tx: the transaction.
        told: agents, buyers, and outcomes.
    """
    more: dict[store_buyers.Buyer, rating.Outcome] = {}
    for agent_id, buyer, outcome in told:
        if outcome is not None:
            more[agent_id, buyer] = more.get((agent_id, buyer), rating.Outcome()) + outcome
    found: dict[str, Tally] = {}
    for who, now in (await store_buyers.add(tx.conn, more)).items():
        found[who[0]] = found.get(who[0], Tally()) + thought(now, more[who])
    return found


async def _add(tx: Transaction, agent_id: str, tally: Tally) -> None:
    now = await store.add(tx.conn, agent_id, tally)
    if now is None:
        log.warning("event about an agent that is not listed", agent_id=agent_id)
        return
    tell_price(tx, agent_id, now, now.active - tally.active)


def tell_price(tx: Transaction, agent_id: str, now: store.Standing, active_before: int) -> None:
    """Say that an agent's price moved, if it did when its steps in hand became another number."""
    was, load = pricing.load_of(active_before), pricing.load_of(now.active)
    if event := pricing.repriced(agent_id, now.base_price, was, load):
        tx.publish(event)
