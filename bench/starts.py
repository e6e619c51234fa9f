"""From `make up` to ready, and the memory of everything when it is idle again."""

import shutil
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bench.load import answered, drive
from bench.releases import Release
from bench.side import call, make_task
from bench.systems import marketplace, system
from bench.table import Row, at_most

CALLERS = 8
IDLE_S = 5.0


def rows(folder: Path, releases: Mapping[str, Release], rounds: int, calls: int) -> list[Row]:
    """Start each release in turn, with its six agents; nothing else runs meanwhile.

    Args:
        folder: a place for their data; it does not exist yet.
        releases: by name.
        rounds: how often.
        calls: how many paid calls there are before memory is looked at.
    """
    new: dict[str, list[float]] = {name: [] for name in releases}
    again: dict[str, list[float]] = {name: [] for name in releases}
    memory: dict[str, list[float]] = {name: [] for name in releases}
    folder.mkdir()
    for number in range(rounds + 1):
        for name, release in releases.items():
            with marketplace(folder / name, release) as env:
                if number == 0:  # Python compiles what it has not run before; that is not counted.
                    continue
                new[name].append(float(env["UP_S"]))
                market = system(name, env)
                task = make_task(market)
                answered(
                    drive(
                        market.port,
                        partial(call, task),
                        callers=CALLERS,
                        calls=calls,
                    )
                )
                time.sleep(IDLE_S)
                memory[name].append(market.memory_mib())
            with marketplace(folder / name, release) as env:
                again[name].append(float(env["UP_S"]))
        shutil.rmtree(folder)
        folder.mkdir()
    half = (at_most(0.5, "0.2.0"),)
    return [
        Row("`make up` to ready, nothing there yet", "s", new, half),
        Row("`make up` to ready, again", "s", again, half),
        Row(
            f"memory of all processes, idle after {calls:,} calls",
            "MiB",
            memory,
            (at_most(0.6, "0.2.0"),),
        ),
    ]
