"""One child process: what it is, and how it is started, asked and ended.

Nothing here belongs to an event loop: a child started in one loop may be stopped from another.
"""

import asyncio
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import httpx

from chassis.observability.terminal import plain
from deploy.local.forks import CAN_FORK, Forked
from deploy.local.ties import die_with

POLL_SECONDS = 0.05
REQUEST_SECONDS = 5.0
MAX_LOG_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Process:
    """A program to run."""

    name: str
    argv: Sequence[str]
    module: bool = False
    """Whether it is a Python module of ours: `argv` is its name and its arguments then."""
    env: Mapping[str, str]
    """Its whole environment; nothing is inherited."""
    cwd: Path
    after: Sequence[str] = ()
    """The names of those that must be ready (a one-shot: done) before it is started."""
    ready: str | Callable[[], Awaitable[bool]] | None = None
    """A URL that answers 2xx, or a question, once it is ready; None: as soon as it runs."""
    sick: Callable[[httpx.AsyncClient], Awaitable[bool]] | None = None
    """Asked now and then while it runs: whether only a new start can help it."""
    prepare: Callable[[], None] | None = None
    """Blocking work before each start, done in a thread. A StartError ends the attempt."""
    one_shot: bool = False
    """It is to end with exit code 0, and to stay ended."""
    stage: int = 0
    """When it is stopped: the highest stage first."""
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when the runner is killed (Linux only)."""
    run_as: tuple[int, int] | None = None
    """User and group id, when not those of the runner."""


@dataclass
class Child:
    """A started process. It leads its own session, so its group is known by its pid."""

    process: Process
    popen: subprocess.Popen[bytes] | Forked
    log: Path
    log_start: int
    """Where the log of this start begins, in bytes."""

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.popen.poll() is None

    def obituary(self) -> str:
        """How it ended, in words."""
        code = self.popen.poll() or 0
        return f"died (signal {-code})" if code < 0 else f"died (exit code {code})"

    def last_words(self, lines: int = 8) -> str:
        """The last lines that this start wrote to its log, indented."""
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            begin = self.log_start if self.log_start <= end else 0  # It was rotated meanwhile.
            log.seek(max(begin, end - 8192))
            tail = log.read().decode(errors="replace").splitlines()[-lines:]
        # Whatever it logged, it may have come from anybody.
        return "\n".join(f"    {plain(line)}" for line in tail) or "    (nothing)"

    async def is_ready(self, http: httpx.AsyncClient) -> bool:
        """Asks once; a StartError of its question passes through."""
        question = self.process.ready
        if question is None:
            return True
        if not isinstance(question, str):
            return await question()
        try:
            answer = await http.get(question)
        except httpx.TransportError:
            return False
        return answer.is_success

    async def ends(self, within: float = math.inf) -> bool:
        """Waits for its end; False if it still runs after so many seconds."""
        deadline = time.monotonic() + within
        while self.alive():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def stop(self, grace: float) -> None:
        """Asks it to end, waits for `grace` seconds, then kills it with all that it started."""
        if self.alive():
            self.popen.send_signal(self.process.stop_signal)
            await self.ends(within=grace)
        self.kill()
        await self.ends()

    def kill(self) -> None:
        """Kills it and what is left of its group, at once."""
        self.popen.kill()  # One that was just forked leads no group yet.
        with suppress(ProcessLookupError, PermissionError):  # Gone, or (macOS) not yet reaped.
            os.killpg(self.popen.pid, signal.SIGKILL)


def start(process: Process, log_dir: Path) -> Child:
    """Starts a process with its output appended to `<name>.log`; an OSError if it cannot be.

    To be called from the main thread: on Linux the child ends with the thread that started it.
    """
    log = log_dir / f"{process.name}.log"
    rotate(log)
    with log.open("ab") as output:
        log_start = output.tell()
        popen = _fork(process, log) if process.module and CAN_FORK else _spawn(process, output)
    return Child(process, popen, log, log_start)


def _fork(process: Process, log: Path) -> Forked:
    return Forked(
        process.argv,
        env=process.env,
        cwd=process.cwd,
        log=log,
        orphan_signal=process.orphan_signal,
    )


def _spawn(process: Process, output: IO[bytes]) -> "subprocess.Popen[bytes]":
    uid, gid = process.run_as or (None, None)
    python = [sys.executable, "-m"] if process.module else []
    return subprocess.Popen(
        [*python, *process.argv],
        env=process.env,
        cwd=process.cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=uid,
        group=gid,
        extra_groups=None if uid is None else [],
        preexec_fn=partial(die_with, os.getpid(), process.orphan_signal),  # noqa: PLW1509 - a thread's lock cannot matter: it calls libc alone
    )


def rotate(log: Path) -> None:
    """Keeps a log that has grown too large as `.log.1`, and empties it.

    Whoever writes to it goes on: it was opened for appending. A line that is written between the
    copy and the emptying, a moment, is lost.
    """
    if not log.exists() or log.stat().st_size <= MAX_LOG_BYTES:
        return
    draft = log.with_suffix(".log.new")
    with log.open("r+b") as source, draft.open("wb") as copy:
        shutil.copyfileobj(source, copy)
        source.truncate(0)
    draft.replace(log.with_suffix(".log.1"))


def client() -> httpx.AsyncClient:
    """An HTTP client for asking local processes, blind to proxies."""
    return httpx.AsyncClient(trust_env=False, timeout=REQUEST_SECONDS)
