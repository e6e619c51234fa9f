"""Ending tasks that may not notice it the first time."""

import asyncio

AGAIN_S = 1.0
"""How long a task has for its last steps before it is told again."""


async def end(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks and wait until all have ended, however; those that have already are left.

    One cancellation is not enough for whoever talks to NATS: the client swallows one while it
    flushes or connects, and so does `asyncio.wait_for` of Python 3.11 when what it waits for is
    there at the same moment.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
