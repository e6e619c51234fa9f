"""How fast, how small: this checkout beside release 0.2.0 and what one would write instead.

    python -m bench.performance [--rows agents,invoke] [--quick] [--folder FOLDER]

Prints the tables of docs/performance.md, which says what each row means. The systems take turns,
round by round, so that ratios are of the same minutes; the ratio of a row is the median of its
rounds' ratios. Needs a checkout with git, and a package index for what stands beside it.
"""

import argparse
import os
import platform
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench import many, rows, side, sizes, starts
from bench.load import answered, drive, in_turn
from bench.peers import Peers
from bench.side import Pace, Side
from bench.systems import (
    HERE,
    agent,
    at_instant_agent,
    database,
    dbos,
    express,
    marketplace,
    plain,
    system,
)
from bench.table import Row, markdown
from bench.wire import request

ALL = [*rows.ROWS, "starts", "sizes", "many"]
COMPARED = ("this", "0.2.0")
FULL = Pace(rounds=3, seconds=4, calls=100)
QUICK = Pace(rounds=1, seconds=1.5, calls=40)


@dataclass(frozen=True)
class Sizes:
    """How much there is: calls before memory is looked at, steps of two markets, listed agents."""

    calls: int
    stored: tuple[int, int]
    agents: int


LARGE = Sizes(1_000, (1_000, 1_000_000), 10_000)
SMALL = Sizes(200, (1_000, 50_000), 2_000)


@contextmanager
def side_by_side(folder: Path, peers: Peers, pace: Pace) -> Iterator[Side]:
    """All systems at once; the one that is not asked is idle."""
    folder.mkdir()
    with ExitStack() as stack:
        port = stack.enter_context(agent())
        settings = at_instant_agent(port)
        found = []
        for name, release in (("this", HERE), ("0.2.0", peers.old())):
            env = stack.enter_context(marketplace(folder / name, release, settings))
            found.append(system(name, env))
        for name in ("plain", "dbos"):
            dsn, pid = stack.enter_context(database(folder / name))
            found.append(
                stack.enter_context(
                    plain(dsn, port, pid) if name == "plain" else dbos(peers.dbos(), dsn, port, pid)
                )
            )
        if (at := peers.express()) is not None:
            found.append(stack.enter_context(express(at, port)))
        yield Side({one.name: one for one in found}, pace)


def by_process(beside: Side, name: str) -> list[Row]:
    """Processor time of an answer by process of a system."""
    rows_ = []
    for whole, found in beside.costs.items():
        if rounds := found.get(name):
            kinds = {kind: [of.get(kind, 0.0) for of in rounds] for kind in rounds[0]}
            work = whole.removeprefix(f"{side.PROCESSOR} of ").removesuffix(", all processes")
            rows_.append(Row(f"{name}: {work.removesuffix(', p50')}", "ms", kinds))
    return rows_


def ceiling() -> float:
    """Answers a second that the callers get of a server that answers at once."""
    with agent() as port:
        asked = in_turn([request("GET", "/health")])
        return answered(drive(port, asked, callers=side.READERS, seconds=2)).rate


def measure(folder: Path, peers: Peers, wanted: list[str], pace: Pace, sizes_: Sizes) -> None:
    """Measure the rows, and print each table when it is whole."""
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f};"
        f" {pace.rounds} rounds; the callers get at most {ceiling():,.0f} answers a second\n",
        flush=True,
    )
    if "starts" in wanted:
        releases = {"this": HERE, "0.2.0": peers.old()}
        show(starts.rows(folder / "starts", releases, pace.rounds, sizes_.calls))
    if names := [name for name in rows.ROWS if name in wanted]:
        with side_by_side(folder / "side", peers, pace) as beside:
            found: list[Row] = []
            try:
                for name in names:
                    found += rows.ROWS[name](beside)
            finally:  # Whoever interrupts it wants to see what there is.
                show(found)
            show(beside.cost_rows())
            for name in COMPARED:
                show(by_process(beside, name))
    if "sizes" in wanted:
        show(sizes.rows(folder / "sizes", pace, *sizes_.stored))
    if "many" in wanted:
        for each in many.rows(folder / "many", pace, sizes_.agents):
            show(each)


def show(found: list[Row]) -> None:
    """Print a table, unless it has no rows."""
    if found:
        print(f"{markdown(found)}\n", flush=True)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", default=",".join(ALL), help=f"some of {', '.join(ALL)}")
    parser.add_argument("--quick", action="store_true", help="one short round, smaller sizes")
    parser.add_argument("--rounds", type=int, help="of each row; 3 unless --quick")
    parser.add_argument("--folder", type=Path, help="where what is installed stays for later runs")
    options = parser.parse_args()
    wanted = options.rows.split(",")
    if unknown := set(wanted) - set(ALL):
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # What was started is ended.
    pace, sizes_ = (QUICK, SMALL) if options.quick else (FULL, LARGE)
    if options.rounds:
        pace = replace(pace, rounds=options.rounds)
    with tempfile.TemporaryDirectory(prefix="bazaar-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL does not run as root.
        (folder / "data").mkdir()
        peers = Peers(options.folder.resolve() if options.folder else folder)
        try:
            measure(folder / "data", peers, wanted, pace, sizes_)
        finally:
            if options.folder is None:
                peers.drop()


if __name__ == "__main__":
    main()
