"""Whether the cost of a call and of the lists grows with what is stored."""

import itertools
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench import filling
from bench.load import Load, drive
from bench.side import LINKS, Pace, Side, ask, p50_ms
from bench.systems import System, agent, at_instant_agent, marketplace, system
from bench.table import Row, at_most
from bench.wire import request

LISTS = [
    "/api/agents",
    *LINKS,
    "/api/messages",
    "/api/payments/bazaarbucks",
    "/api/ledger?account=wallet",
]
MOST_ROWS, LEAST_ROWS = 100, 10
CHECKED_S = 1_800.0


def rows(folder: Path, pace: Pace, small: int, large: int) -> list[Row]:
    """Two marketplaces of this checkout, of which one has stored more.

    Args:
        folder: a place for their data; it does not exist yet.
        pace: how long everything is measured.
        small: steps, ledger entries and messages of the one, at least.
        large: those of the other.
    """
    names = {f"{size:,} stored": size for size in (large, small)}  # The large one is judged.
    folder.mkdir()
    with ExitStack() as stack:
        settings = at_instant_agent(stack.enter_context(agent()))
        found = {}
        for size in names.values():
            home = folder / str(size)
            with marketplace(home, settings=settings):
                pass  # Its tables are there now.
            began = time.monotonic()
            filling.steps(home, size)
            print(f"{size:,} steps were stored in {time.monotonic() - began:.0f} s", flush=True)
        for name, size in names.items():
            env = stack.enter_context(marketplace(folder / str(size), settings=settings))
            found[name] = system(name, env)
            in_order(found[name])
        return measured(Side(found, pace), tuple(names))


def in_order(market: System) -> None:
    """Wait until the service has checked all of the books; every rule has to hold."""
    deadline = time.monotonic() + CHECKED_S
    while (check := ask(market, "GET", "/api/ledger/check"))["pending"]:
        assert time.monotonic() < deadline, check
        time.sleep(1)
    broken = [rule for rule in check["findings"] if rule["broken"]]
    assert not broken, broken


def measured(side: Side, names: tuple[str, ...]) -> list[Row]:
    """The call and each list, at both sizes in turn."""
    target = (at_most(1.2, names[1]),)

    def call(one: System) -> Load:
        return drive(one.port, side.calls(one), callers=1, calls=side.pace.calls)

    work = "POST /api/invoke-agent, p50"
    found = [Row(work, "ms", side.rounds(work, names, call, p50_ms), target)]
    for link in LISTS:
        work = f"GET {link.format('{id}')}, first page, p50"
        times = side.rounds(work, names, first_pages(side, names, link), p50_ms)
        found.append(Row(work, "ms", times, target))
    return [*found, *side.cost_rows()]


def first_pages(side: Side, names: tuple[str, ...], link: str) -> Callable[[System], Load]:
    """Ask for a list's first page, each time with another limit, so that no answer was kept."""
    each = (MOST_ROWS - LEAST_ROWS) // side.pace.rounds
    turns = {name: itertools.count() for name in names}

    def one(system: System) -> Load:
        path = link.format(side.listed[system.name])
        joint = "&" if "?" in path else "?"
        most = MOST_ROWS - each * next(turns[system.name])

        def page(number: int) -> bytes:
            return request("GET", f"{path}{joint}limit={most - number}")

        return drive(system.port, page, callers=1, calls=each)

    return one
