"""The parent of forked processes (`forks.py`): it has imported what they need, and forks them.

It does nothing else, and has one thread, so that a fork finds everything at rest. `python -m
deploy.local.parent FD` serves a line that was inherited; the runner forks it from itself instead.
"""

import gc
import io
import os
import runpy
import signal
import sys
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeAlias, cast

from setproctitle import setproctitle

from deploy.local.ties import die_with
from deploy.local.warm import warm_up

MODULE = "deploy.local.parent"
_fork = get_context("fork")
_Line: TypeAlias = "Connection[Any, Any]"


def serve(line: _Line) -> None:
    """Fork whatever is asked for, and say how each ends, until nobody asks any more."""
    warm_up()
    gc.disable()  # Nothing is thrown away here, and a look for it touches all that is shared.
    _name(MODULE)
    children: dict[int, Any] = {}
    while True:
        ready = wait([line, *(child.sentinel for child in children.values())])
        for number, child in list(children.items()):
            if child.sentinel in ready:
                child.join()
                line.send(("ended", number, child.exitcode))
                del children[number]
                child.close()
        if line in ready:
            try:
                number, what = line.recv()
            except EOFError:
                return
            child = _fork.Process(target=_become, args=(line, os.getpid(), *what), daemon=True)
            child.start()
            children[number] = child
            line.send(("began", number, child.pid))


def _become(
    line: _Line,
    parent: int,
    argv: list[str],
    env: dict[str, str],
    cwd: str,
    log: str,
    orphan_signal: signal.Signals,
) -> None:
    """Be `python -m <argv>`, in a process that was just forked."""
    line.close()
    os.setsid()
    die_with(parent, orphan_signal)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    cast("io.TextIOWrapper", sys.stdout).reconfigure(line_buffering=True, write_through=True)
    _name(*argv)  # It reads the environment as it was.
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    gc.enable()
    sys.path.insert(0, cwd)
    sys.argv[1:] = argv[1:]
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)


def _name(*argv: str) -> None:
    setproctitle(" ".join([sys.executable, "-m", *argv]))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
    os._exit(0)  # Who is left is ended by the kernel, and not waited for.
