"""What becomes of steps, as far as it concerns the agents that they were given to."""

import structlog

from chassis.delivery import Effect
from contracts.task import StepCompleted, StepFailed, StepStarted
from registry_svc import domain, store

log = structlog.get_logger()


async def on_step_started(event: StepStarted, tx: Effect) -> None:
    """The agent has one task more."""
    await _add(tx, event.agent_id, domain.STARTED)


async def on_step_completed(event: StepCompleted, tx: Effect) -> None:
    """The agent has one task less, one job more, and so a response time and a rating."""
    await _add(tx, event.agent_id, domain.completed(event.execution_time))


async def on_step_failed(event: StepFailed, tx: Effect) -> None:
    """The agent has one task less; its rating falls when the failure was its own."""
    tally = domain.failed(event.reason, event.execution_time)
    if tally is not None:
        await _add(tx, event.agent_id, tally)


async def _add(tx: Effect, agent_id: str, tally: domain.Tally) -> None:
    """Add to the agent's counters, and say so when its price moved by that."""
    now = await store.add(tx.conn, agent_id, tally)
    if now is None:
        log.warning("event about an agent that is not listed", agent_id=agent_id)
        return
    was = domain.load_of(now["active"] - tally.active, now["reported_load"])
    load = domain.load_of(now["active"], now["reported_load"])
    if event := domain.repriced(agent_id, now["base_price"], was, load):
        tx.publish(event)
