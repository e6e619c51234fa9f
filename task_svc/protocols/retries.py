"""Calling again an agent that was busy, or that was not reached."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from chassis.outbound import AddressRefused, CallError, TooSlow, Unreachable
from task_svc.answers import MOST_WAIT_S, AgentFailure
from task_svc.settings import Settings

T = TypeVar("T")


async def with_retries(settings: Settings, call: Callable[[], Awaitable[T]]) -> T:
    """What a call comes to; one that may go better is made again, with growing delay.

    Raises:
        AgentFailure: what the last call came to.
    """
    rest = wait_exponential_jitter(
        initial=settings.agent_retry_s, max=MOST_WAIT_S, jitter=settings.agent_retry_s / 2
    )
    attempts = AsyncRetrying(
        retry=retry_if_exception(lambda e: isinstance(e, AgentFailure) and e.again),
        stop=stop_after_attempt(settings.agent_attempts),
        wait=lambda state: max(rest(state), _wanted(state)),
        reraise=True,
    )
    return await attempts(call)


def _wanted(state: RetryCallState) -> float:
    """The rest that the agent itself wants."""
    failed = state.outcome.exception() if state.outcome else None
    return failed.wait_s if isinstance(failed, AgentFailure) else 0.0


def too_slow() -> AgentFailure:
    """It did not answer in time."""
    return AgentFailure("agent_too_slow", "The agent did not answer in time.")


def no_answer(error: CallError, *, repeatable: bool) -> AgentFailure:
    """The failure of an agent that gave no answer.

    Args:
        error: what became of the call.
        repeatable: whether a request that may have arrived may be sent again.
    """
    if isinstance(error, AddressRefused):
        why = f"The agent's address may not be called: {error.why}."
        return AgentFailure("agent_unreachable", why)
    if isinstance(error, Unreachable):
        again = repeatable or not error.sent
        return AgentFailure("agent_unreachable", "The agent cannot be reached.", again=again)
    if isinstance(error, TooSlow):
        return too_slow()
    return AgentFailure("agent_error", f"The agent answered with {error.why}.")
