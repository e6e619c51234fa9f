"""Our own programs as processes forked from one parent, which has imported what they need.

Importing takes most of the time in which a service starts. Each process has its own command line,
environment, session and log, as if it had been started anew; `python -m <module>` does the same
without a parent, and is what runs in production. On Linux alone: elsewhere system libraries do not
survive a fork.
"""

import io
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import cast

import psutil

from deploy.local.ties import die_with

CAN_FORK = sys.platform == "linux"
WAIT_EVERY_S = 0.005

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["deploy.local.warm"])


class Forked:
    """A forked process, with what is used here of `subprocess.Popen`."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        orphan_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start a module of ours.

        To be called from the main thread: the parent is tied to the thread that called first.

        Args:
            argv: its name, and its arguments.
            env: its whole environment.
            cwd: where it runs.
            log: what it says is added to.
            orphan_signal: what the kernel sends it when the parent is gone.
        """
        what = (list(argv), dict(env), str(cwd), str(log), orphan_signal)
        self._process = _context.Process(target=_become, args=what, daemon=True)
        self._process.start()
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """How it ended, a signal as a negative number; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a crash would."""
        self.send_signal(signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; returns how it ended."""
        while (code := self.poll()) is None:
            time.sleep(WAIT_EVERY_S)
        return code


def end_parent() -> None:
    """End the parent, once nobody is left whom it forked; by itself it goes a moment after us."""
    # Both are there while this module is; only their own tests were to end them sooner.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # noqa: SLF001  (no public way)
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]  # noqa: SLF001  (same)


def command(process: psutil.Process) -> list[str]:
    """The command line of a process, word by word; that of a forked one is kept in one piece.

    Raises:
        psutil.Error: it is gone, or somebody else's.
    """
    return " ".join(process.cmdline()).split()


def _become(
    argv: list[str], env: dict[str, str], cwd: str, log: str, orphan_signal: signal.Signals
) -> None:
    """Be `python -m <argv>`, in a process that was just forked."""
    from setproctitle import setproctitle  # noqa: PLC0415  (the runner itself has no use for it)

    from deploy.local import warm  # noqa: PLC0415  (only a parent that forks may import it)

    os.setsid()
    die_with(warm.PARENT, orphan_signal)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    cast("io.TextIOWrapper", sys.stdout).reconfigure(line_buffering=True, write_through=True)
    setproctitle(" ".join([sys.executable, "-m", *argv]))  # It reads the environment as it was.
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.path.insert(0, cwd)
    sys.argv[1:] = argv[1:]
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
