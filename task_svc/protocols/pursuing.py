"""Asking again and again for work that an agent has taken on."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from task_svc.answers import AgentFailure
from task_svc.protocols.job import AgentAnswer, Job, Operation, Progress, Waiting

SOONEST_S, LATEST_S = 0.1, 15.0
SHARE = 0.25
"""The rest between two questions, as a share of the time that the work has taken so far."""
MOST_WISH_S = 300.0
"""An agent is asked again after so long, whatever it wants."""

Ask = Callable[[], Awaitable[AgentAnswer | Progress]]


def rest_s(spent_s: float, left_s: float, wish_s: float | None) -> float:
    """How long an agent is left alone before it is asked again.

    Args:
        spent_s: how long it has worked.
        left_s: until the end of its time; it is asked once more just before that.
        wish_s: what it wants itself.
    """
    usual = min(LATEST_S, max(SOONEST_S, spent_s * SHARE))
    wanted = usual if wish_s is None else min(MOST_WISH_S, max(SOONEST_S, wish_s))
    return max(SOONEST_S, min(wanted, left_s))


async def pursue(
    job: Job, operation: Operation, ask: Ask, first: Progress | None = None
) -> AgentAnswer:
    """Ask until there is an answer, for as long as the work may take.

    An agent that is busy or away for a while is asked again: it has the work.

    Args:
        job: the work.
        operation: where it is asked after.
        ask: asks once.
        first: what it said when it took the work on.

    Raises:
        Waiting: it takes longer than this process waits at a stretch.
        AgentFailure: it has failed, or its time is over.
    """
    loop = asyncio.get_running_loop()
    patient_until = loop.time() + job.patience_s
    until = operation.began_at + timedelta(seconds=job.limit_s)
    while True:
        wish_s = None
        try:
            found, first = first or await ask(), None
            if isinstance(found, AgentAnswer):
                return found
            await job.notes.tell(found)
            wish_s = found.wait_s
        except AgentFailure as failure:
            if not failure.again:
                raise
        now = datetime.now(UTC)
        if now >= until:
            raise AgentFailure("agent_too_slow", "The agent did not finish in time.")
        spent_s = (now - operation.began_at).total_seconds()
        left_s = (until - now).total_seconds()
        delay_s = rest_s(spent_s, left_s, wish_s)
        if delay_s < left_s and loop.time() + delay_s > patient_until:
            raise Waiting(delay_s)
        await asyncio.sleep(delay_s)


def took_ms(operation: Operation) -> int:
    """Milliseconds that work has taken until now, at least 1."""
    return max(1, round((datetime.now(UTC) - operation.began_at).total_seconds() * 1000))
