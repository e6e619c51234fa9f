"""Tasks: what is done again and again, and the end of those that may not notice it at once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import structlog

log = structlog.get_logger()

Job = Callable[[], Awaitable[object]]
AGAIN_S = 1.0
"""How long a task has for its last steps before it is told again."""
LONG_S = 20.0
"""A round of a background job that takes longer is told of, with where it is."""


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


async def run_for(work: Coroutine[Any, Any, None], at_most_s: float) -> None:
    """Let work go on for so long, and then end it; a time-out alone could be swallowed.

    Raises:
        Exception: what the work raised.
    """
    task = asyncio.create_task(work)
    await asyncio.wait({task}, timeout=at_most_s)
    await end(task)
    if not task.cancelled():
        task.result()


def told_to_end() -> bool:
    """Whether somebody cancels this very task, and not only what it waits for."""
    me = asyncio.current_task()
    return me is not None and me.cancelling() > 0


async def repeat(seconds: float, job: Job, first_s: float = 0) -> None:
    """Do a job again and again, `seconds` after its last run ended; errors are logged.

    What a job waits for may have been cancelled by somebody else: that ends a round and no more.

    Args:
        seconds: between two rounds.
        job: what is done.
        first_s: seconds until the first round.
    """
    await asyncio.sleep(first_s)
    while True:
        # A task of its own: a `TaskGroup` that fails leaves its task told to end (Python 3.11), and
        # what the job waits for may swallow that this one is.
        work = asyncio.create_task(_round(job))
        asked = asyncio.get_running_loop().call_later(LONG_S, _takes_long, job, work)
        try:
            await asyncio.wait({work})
        finally:
            asked.cancel()
            await end(work)
        if work.cancelled():
            _failed(job, asyncio.CancelledError())
        elif (error := work.exception()) is not None:
            _failed(job, error)
        await asyncio.sleep(seconds)


async def _round(job: Job) -> None:
    await job()


def _failed(job: Job, error: BaseException) -> None:
    log.warning("background job failed", job=_name(job), error=error)


def _takes_long(job: Job, task: "asyncio.Task[None]") -> None:
    at = list[str]()
    waiting: object = task.get_coro()
    while (frame := getattr(waiting, "cr_frame", None)) is not None:
        at.append(f"{frame.f_globals['__name__']}:{frame.f_lineno}")
        waiting = getattr(waiting, "cr_await", None)
    log.warning("background job takes long", job=_name(job), at=at)


def _name(job: Job) -> str:
    """What a job is called; its repr may tell secrets."""
    work = job.func if isinstance(job, partial) else job
    return getattr(work, "__qualname__", type(work).__name__)
