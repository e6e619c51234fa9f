"""Our own programs as processes forked from one parent, which has imported what they need.

Importing takes most of the time in which a service starts, and what was imported before a fork is
in memory once. Each process has its own command line, environment, session and log, as if it had
been started anew; `python -m <module>` does the same without a parent, and is what runs in
production. On Linux alone: elsewhere system libraries do not survive a fork.
"""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import ClassVar

import psutil

from deploy.local import parent
from deploy.local.settings import PROJECT

CAN_FORK = sys.platform == "linux"
WAIT_EVERY_S = 0.005
LOST = 255
"""How a process ended whose parent is gone: with it, and nobody knows more."""


class Parent:
    """The process that forks ours (`deploy.local.parent`), as seen from here.

    Attributes:
        ours: the one that all who are forked here have, once there is one.
    """

    ours: ClassVar["Parent | None"] = None

    def __init__(self, *, early: bool = False) -> None:
        """Begin it; it ends when this process does, or the thread that called this.

        Args:
            early: whether it is forked itself, to share what was imported here. Nothing else may
                run in this process yet: no thread, and no event loop.
        """
        self._lock = threading.Lock()
        self._last = 0
        self._pids: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._line, theirs = Pipe()
        self._popen: subprocess.Popen[bytes] | None = None
        if early:
            self._pid = _fork_parent(self._line, theirs)
        else:
            fd = theirs.fileno()
            argv = [sys.executable, "-m", "deploy.local.parent", str(fd)]
            self._popen = subprocess.Popen(argv, cwd=PROJECT, pass_fds=[fd])
            self._pid = self._popen.pid
        theirs.close()

    def fork(self, *what: object) -> int:
        """Ask for a process that becomes `what`; its number here.

        Raises:
            OSError: the parent is gone.
        """
        with self._lock:
            number = self._last = self._last + 1
            self._line.send((number, what))
            return number

    def pid_of(self, number: int) -> int:
        """The id of a process, once it was forked.

        Raises:
            ProcessLookupError: the parent is gone, and had not forked it.
        """
        with self._lock:
            try:
                while number not in self._pids:
                    self._hear()
            except OSError:
                raise ProcessLookupError("it was never forked") from None
            return self._pids[number]

    def end_of(self, number: int) -> int | None:
        """How a process ended, a signal as a negative number; None while it runs."""
        with self._lock:
            try:
                while number not in self._ends and self._line.poll():
                    self._hear()
            except OSError:
                self._ends[number] = LOST
            return self._ends.get(number)

    def end(self) -> None:
        """End it, once nobody is left whom it forked."""
        self._line.close()
        if self._popen is not None:
            self._popen.wait()
        else:
            os.waitpid(self._pid, 0)

    def _hear(self) -> None:
        try:
            what, number, value = self._line.recv()
        except EOFError:
            raise ConnectionError("the parent of forked processes is gone") from None
        (self._pids if what == "began" else self._ends)[number] = value


def begin_parent() -> None:
    """Have all that is forked later share what was imported here; to be called before all else."""
    if CAN_FORK and Parent.ours is None:
        Parent.ours = Parent(early=True)


def end_parent() -> None:
    """End the parent, once nobody is left whom it forked; by itself it goes a moment after us."""
    if Parent.ours is not None:
        Parent.ours.end()
        Parent.ours = None


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
        if Parent.ours is None:
            Parent.ours = Parent()
        try:
            self._number = Parent.ours.fork(*what)
        except OSError:  # It was killed, and all whom it had forked with it.
            end_parent()
            Parent.ours = Parent()
            self._number = Parent.ours.fork(*what)
        self._by = Parent.ours

    @property
    def pid(self) -> int:
        """Its process id. Waits until it was forked; a ProcessLookupError if it never was."""
        return self._by.pid_of(self._number)

    @property
    def returncode(self) -> int | None:
        """How it ended, a signal as a negative number; None while it runs."""
        return self._by.end_of(self._number)

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


def command(process: psutil.Process) -> list[str]:
    """The command line of a process, word by word; that of a forked one is kept in one piece.

    Raises:
        psutil.Error: it is gone, or somebody else's.
    """
    return " ".join(process.cmdline()).split()


def _fork_parent(ours: "Connection[object, object]", line: "Connection[object, object]") -> int:
    """The parent as a fork of this process; its id."""
    gc.collect()
    gc.freeze()  # No look for garbage touches, and so copies, what both have.
    sys.stdout.flush()  # Else what is still to be written would be written twice.
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            parent.serve(line)
        finally:
            os._exit(0)  # What called this goes on in the other process alone.
    return pid
