"""Waiting for what comes in its own time: asked again and again, until a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
DEADLINE_S = 60.0
"""Longer than anything takes on a machine that is busy; nobody waits for it unless it fails."""
FIRST_S, MOST_S = 0.005, 0.05


async def eventually(question: Callable[[], Awaitable[T]], within_s: float = DEADLINE_S) -> T:
    """The first true answer to a question; an AssertionError if there is none in time."""
    pauses = _pauses(within_s)
    while not (answer := await question()):
        pause = next(pauses, None)
        assert pause is not None, f"not within {within_s:g} s; the last answer was {answer!r}"
        await asyncio.sleep(pause)
    return answer


async def insist(question: Callable[[], Awaitable[T]], within_s: float = DEADLINE_S) -> T:
    """The same of a question that may fail assertions; its last failure is the error."""
    failed: AssertionError | None = None

    async def answered() -> T | None:
        nonlocal failed
        try:
            failed = None
            return await question()
        except AssertionError as error:
            failed = error
            return None

    try:
        found = await eventually(answered, within_s)
    except AssertionError as error:
        raise failed or error from None
    assert found is not None
    return found


async def until(happened: Callable[[], Any], what: str) -> None:
    """Wait until something is so that can be seen from here."""
    pauses = _pauses(DEADLINE_S)
    while not happened():
        pause = next(pauses, None)
        assert pause is not None, f"waited in vain: {what}"
        await asyncio.sleep(pause)


def eventually_blocking(question: Callable[[], T]) -> T:
    """As `eventually`, without a loop."""
    pauses = _pauses(DEADLINE_S)
    while not (answer := question()):
        pause = next(pauses, None)
        assert pause is not None, f"not within {DEADLINE_S:g} s; the last answer was {answer!r}"
        time.sleep(pause)
    return answer


def _pauses(within_s: float) -> Iterator[float]:
    """Seconds to wait before each next look: short at first, so that waiting costs little."""
    deadline, pause = time.monotonic() + within_s, FIRST_S
    while time.monotonic() < deadline:
        yield pause
        pause = min(pause * 1.5, MOST_S)
