"""Tasks: what is done again and again, and the end of those that may not notice it at once."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog

log = structlog.get_logger()

Job = Callable[[], Awaitable[object]]
AGAIN_S = 1.0
"""How long a task has for its last steps before it is told again."""


async def end(*tasks: "asyncio.Task[Any]") -> None:
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


async def repeat(seconds: float, job: Job) -> None:
    """Do a job again and again, `seconds` after its last run ended; errors are logged."""
    me = asyncio.current_task()
    while True:
        try:
            await job()
        except Exception as error:  # noqa: BLE001  (a failed round must not end the loop)
            work = job.func if isinstance(job, partial) else job
            name = getattr(work, "__qualname__", type(work).__name__)  # Its repr may tell secrets.
            log.warning("background job failed", job=name, error=error)
        if me is not None and me.cancelling():
            return  # What the job waited for may have swallowed the cancellation.
        await asyncio.sleep(seconds)
