"""Waiting for what comes in its own time: asked again and again, until a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
DEADLINE_S = 45.0


async def eventually(question: Callable[[], Awaitable[T]], within_s: float = DEADLINE_S) -> T:
    """The first true answer to a question; an AssertionError if there is none in time.

    A question that fails an assertion is asked again too, and its last failure is the error.
    """
    deadline = time.monotonic() + within_s
    while True:
        failed: AssertionError | None = None
        try:
            if answer := await question():
                return answer
        except AssertionError as error:
            failed = error
        if time.monotonic() > deadline:
            raise failed or AssertionError(
                f"not within {within_s:g} s; the last answer: {answer!r}"
            )
        await asyncio.sleep(0.05)
