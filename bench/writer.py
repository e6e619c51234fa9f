"""Who writes while others read, and sees whether a reader is told less than was written."""

import http.client
import threading
import time
from typing import Self

from bench.side import AGENT, ask, task_body
from bench.systems import System

WRITE_EVERY_S = 0.1


class Writer:
    """Who writes ten times a second, and sees whether a reader is told less than was written."""

    def __init__(self, system: System, task: str) -> None:
        """Begin to write to a task of a system."""
        self._system, self._task = system, task
        self._written: tuple[str, str] | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._trouble: Exception | None = None
        self._began = time.monotonic()
        self.stale = 0
        self.writes = 0
        self.rate = 0.0
        """Writes a second, once it ended."""

    def __enter__(self) -> Self:
        """Return when both kinds were written once."""
        self._thread.start()
        while self._written is None and self._thread.is_alive():
            time.sleep(0.01)
        if self._trouble is not None:
            raise self._trouble
        return self

    def __exit__(self, *_: object) -> None:
        """Stop writing; a write that failed is raised here."""
        self._ending.set()
        self._thread.join()
        self.rate = self.writes / (time.monotonic() - self._began)
        if self._trouble is not None:
            raise self._trouble

    def _write(self) -> None:
        try:
            self._go_on()
        except (AssertionError, OSError, http.client.HTTPException) as error:
            self._trouble = error

    def _go_on(self) -> None:
        task, due = "", time.monotonic()
        body = {"agentId": AGENT, "taskId": self._task, "payload": {"text": "hello"}}
        while not self._ending.wait(max(0.0, due - time.monotonic())):
            due = max(due + WRITE_EVERY_S, time.monotonic())
            if self.writes % 2:
                step = ask(self._system, "POST", "/api/invoke-agent", body)["stepId"]
            else:
                task = ask(self._system, "POST", "/api/tasks", task_body(self.writes))["id"]
            self.writes += 1
            if self.writes > 1:
                self._written = (task, step)

    def mark(self) -> object:
        """What was written by now: the newest task and step."""
        return self._written

    def see(self, number: int, mark: object, body: bytes) -> None:
        """Look for the one in the tasks, for the other in the steps, as it ended."""
        assert isinstance(mark, tuple)
        wanted = mark[number % 2].encode()
        at = body.find(wanted)
        step = body[body.rfind(b"{", 0, at) : body.find(b"}", at)] if number % 2 else b""
        self.stale += at < 0 or (number % 2 == 1 and b'"completed"' not in step)
