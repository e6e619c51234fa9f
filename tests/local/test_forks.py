"""Processes forked from the warm parent are like any that was started anew."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.local.forks import CAN_FORK, Forked, command

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="nothing is forked on this system")
MODULE = "tests.local.forked"
Fork = Callable[..., Forked]


@pytest.fixture
def fork(tmp_path: Path) -> Iterator[Fork]:
    """Fork the module with some arguments; whatever is left is killed."""
    running: list[Forked] = []

    def forked(*args: str) -> Forked:
        log = tmp_path / "log"
        running.append(Forked([MODULE, *args], env={"ONLY": "this"}, cwd=tmp_path, log=log))
        return running[-1]

    yield forked
    for one in running:
        one.kill()
        one.wait()


def said(folder: Path) -> dict[str, Any]:
    """What the module found, once it has said so."""
    deadline = time.monotonic() + 60
    while not (text := (folder / "log").read_text() if (folder / "log").exists() else ""):
        assert time.monotonic() < deadline, "it says nothing"
        time.sleep(0.02)
    found: dict[str, Any] = json.loads(text)
    return found


def test_it_has_what_it_was_given_and_nothing_else(fork: Fork, tmp_path: Path) -> None:
    one = fork("0")
    assert one.wait() == 0
    assert said(tmp_path) == {
        "argv": ["0"],
        "env": {"ONLY": "this"},
        "cwd": str(tmp_path),
        "leads": True,
        "name": "__main__",
    }


def test_it_is_listed_by_its_own_command_line(fork: Fork, tmp_path: Path) -> None:
    one = fork()
    said(tmp_path)
    assert command(psutil.Process(one.pid))[1:] == ["-m", MODULE]


def test_how_it_ends_is_known(fork: Fork) -> None:
    assert fork("7").wait() == 7
    one = fork()
    assert one.poll() is None
    one.send_signal(signal.SIGKILL)
    assert one.wait() == -signal.SIGKILL
    one.send_signal(signal.SIGKILL)  # Nobody is there any more, and nobody is hit.


def test_it_ends_with_its_parent_and_the_next_has_another(fork: Fork, tmp_path: Path) -> None:
    one = fork()
    said(tmp_path)
    process = psutil.Process(one.pid)
    parent = process.parent()
    assert parent is not None
    parent.kill()
    one.wait()
    psutil.wait_procs([process], timeout=60)
    assert not psutil.pid_exists(one.pid) or process.status() == psutil.STATUS_ZOMBIE
    assert fork("0").wait() == 0
