"""Keeps a table of processes running: in order, with their logs, restarted when they die."""

import asyncio
import math
import signal
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import httpx

from deploy.local.errors import StartError
from deploy.local.forks import end_parent
from deploy.local.process import POLL_SECONDS, Child, Process, client, rotate, start

FIRST_DELAY_SECONDS = 2.0
"""Whoever waits for a reply of one that died finds nobody there meanwhile (`chassis.bus.watching`),
and is told so; the next, which starts in no time, would seem to be the same.
"""
LONGEST_DELAY_SECONDS = 10.0
SETTLED_SECONDS = 30.0
READY_SECONDS = 120.0
GRACE_SECONDS = 60.0
DEATHS_BEFORE_READY = 3
ROTATE_EVERY_SECONDS = 5.0
SICK_EVERY_SECONDS = 2.0
TIMES_SICK = 4

Say = Callable[[str], None]


class End(NamedTuple):
    """How one life of a process ended."""

    what: str
    details: str


class Supervisor:
    """Runs a table of processes once. Whoever cancels `run` must await `stop`."""

    def __init__(self, table: Sequence[Process], log_dir: Path, say: Say) -> None:
        self._table = table
        self._log_dir = log_dir
        self._say = say
        self._ready = {process.name: asyncio.Event() for process in table}
        self._children: dict[str, Child] = {}

    async def run(self, announce: Callable[[], None]) -> None:
        """Starts everything, calls `announce` once all are ready, and keeps them running.

        Raises an ExceptionGroup of StartErrors if one of them does not come up the first time.
        """
        async with client() as http, asyncio.TaskGroup() as lives:
            lives.create_task(self._keep_logs_small())
            for process in self._table:
                lives.create_task(self._live(process, http))
            for ready in self._ready.values():
                await ready.wait()
            announce()

    async def stop(self) -> None:
        """Ends every process, stage by stage, and returns when none is left."""

        def stage(child: Child) -> int:
            return -child.process.stage

        for _, group in groupby(sorted(self._children.values(), key=stage), key=stage):
            await asyncio.gather(*(child.stop(GRACE_SECONDS) for child in group))

    def kill(self) -> None:
        """Kills every process at once."""
        for child in self._children.values():
            child.kill()

    async def _keep_logs_small(self) -> None:
        while True:
            for child in list(self._children.values()):
                await asyncio.to_thread(rotate, child.log)
            await asyncio.sleep(ROTATE_EVERY_SECONDS)

    async def _live(self, process: Process, http: httpx.AsyncClient) -> None:
        """All the lives of one process: returns only when a one-shot has done its work."""
        for name in process.after:
            await self._ready[name].wait()
        first, delay, deaths = time.monotonic(), FIRST_DELAY_SECONDS, 0
        while True:
            born = time.monotonic()
            end = await self._one_life(process, http)
            if end is None:
                return
            deaths += 1
            given_up = deaths == DEATHS_BEFORE_READY or time.monotonic() - first > READY_SECONDS
            if not self._ready[process.name].is_set() and (process.one_shot or given_up):
                raise StartError(f"{process.name} did not come up: {end.what}; {end.details}")
            if time.monotonic() - born > SETTLED_SECONDS:
                delay = FIRST_DELAY_SECONDS
            self._say(f"{process.name} {end.what}; restarting in {delay:g} s; {end.details}")
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)

    async def _one_life(self, process: Process, http: httpx.AsyncClient) -> End | None:
        """From start to end; None is the good end of a one-shot."""
        try:
            if process.prepare is not None:
                await asyncio.to_thread(process.prepare)
            child = self._children[process.name] = start(process, self._log_dir)
            in_time = await self._becomes_ready(child, http)
        except (OSError, StartError) as error:
            if not self._ready[process.name].is_set():
                raise StartError(f"{process.name} cannot be started: {error}") from None
            return End("cannot be started", str(error))
        well = in_time and await self._ends_well(child, http)
        late = f"was not ready within {READY_SECONDS:g} s"
        what = child.obituary() if well else "could not work any more" if in_time else late
        child.kill()  # What it started must not outlive it.
        await child.ends()
        if process.one_shot and in_time and child.popen.returncode == 0:
            self._up(process, "done")
            return None
        return End(what, f"last lines of its log ({child.log}):\n{child.last_words()}")

    async def _ends_well(self, child: Child, http: httpx.AsyncClient) -> bool:
        """Waits for its end; False when it lives and is sick, several times in a row."""
        sick, times = child.process.sick, 0
        while not await child.ends(within=math.inf if sick is None else SICK_EVERY_SECONDS):
            times = times + 1 if sick is not None and await sick(http) else 0
            if times == TIMES_SICK:
                return False
        return True

    async def _becomes_ready(self, child: Child, http: httpx.AsyncClient) -> bool:
        """Waits until it is ready, or dead; False if it is neither for too long."""
        deadline = time.monotonic() + READY_SECONDS
        while child.alive():
            if not child.process.one_shot and await child.is_ready(http):
                self._up(child.process, "ready")
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    def _up(self, process: Process, word: str) -> None:
        self._say(f"{process.name} is {word}")
        self._ready[process.name].set()


async def supervise(
    table: Sequence[Process], log_dir: Path, announce: Callable[[], None], say: Say
) -> None:
    """Runs a table until SIGINT, SIGTERM or SIGHUP; a second signal kills. Leaves no process.

    Raises a StartError if the system does not come up.
    """
    supervisor = Supervisor(table, log_dir, say)
    run = asyncio.ensure_future(supervisor.run(announce))

    def on_signal() -> None:
        if run.done() or run.cancelling():
            supervisor.kill()
        else:
            say("stopping")
            run.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    await asyncio.wait([run])
    await supervisor.stop()
    await asyncio.to_thread(end_parent)
    if run.cancelled():
        say("stopped")
        return
    try:
        run.result()
    except* StartError as group:
        reasons = [str(error) for error in group.exceptions]
    else:
        return
    raise StartError("\n".join(reasons))
