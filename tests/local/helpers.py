"""What the tests of the local runner share."""

import json
import os
import subprocess
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil

from tests.support.polling import eventually_blocking
from tests.support.processes import PROJECT

DEADLINE_SECONDS = 60.0


def processes_of(home: Path) -> list[str]:
    """The command lines of all living processes that work for a home."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            mine = str(home) in line or Path(process.cwd()).is_relative_to(home)
        except psutil.Error:
            continue  # Another user's, gone, or dead and not yet buried.
        if mine and process.pid != os.getpid():
            found.append(line)
    return found


def pid_at(port: int) -> int | None:
    """The process id that a stand-in answers with; None while nobody answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
    try:
        connection.request("GET", "/")
        return int(connection.getresponse().read())
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


class Runner:
    """A runner in a process of its own, over a table for run_table.py."""

    def __init__(self, home: Path, *table: dict[str, Any]) -> None:
        self.home = home
        self.output = home / "output.txt"
        script = Path(__file__).with_name("run_table.py")
        with self.output.open("w") as output:
            self.popen = subprocess.Popen(  # noqa: S603 - a script of these tests
                [sys.executable, str(script), str(home), json.dumps(table)],
                cwd=PROJECT,
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def text(self) -> str:
        return self.output.read_text()

    def says(self, words: str) -> bool:
        """Waits for words in its output; False if it ends without them."""
        eventually_blocking(lambda: words in self.text() or self.popen.poll() is not None)
        return words in self.text()

    def ends(self, code: int) -> None:
        """Waits for its end, and finds that no process of its home is left."""
        assert self.popen.wait(DEADLINE_SECONDS) == code, self.text()
        assert eventually_blocking(lambda: not processes_of(self.home)), processes_of(self.home)
