"""What finding, choosing and calling cost in a market of ten thousand, beside one of a hundred."""

import itertools
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench import filling
from bench.load import Load, drive, in_turn
from bench.side import AGENT, Pace, Side, ask, p50_ms
from bench.systems import System, agent, at_instant_agent, marketplace, system
from bench.table import Row, at_most
from bench.wire import request

FEW, FEW_LISTED = "100 agents", 100
PLAIN, QUOTED = "a call", "a call by a quote"
FOUND_S = 600.0
PAYLOAD = {"text": "The bells rang."}


def rows(folder: Path, pace: Pace, count: int) -> list[Row]:
    """Two marketplaces of this checkout, with a hundred agents more than six, and so many.

    Args:
        folder: a place for their data; it does not exist yet.
        pace: how long everything is measured.
        count: agents.
    """
    many = f"{count:,} agents"
    folder.mkdir()
    with ExitStack() as stack:
        port = stack.enter_context(agent("0.0.0.0"))  # noqa: S104  (no less is 10,000 addresses)
        settings = at_instant_agent(stack.enter_context(agent()))
        settings["AGENT_HOSTS"] = filling.hosts(count)
        found: dict[str, System] = {}
        for name, home, listed in ((many, "many", count), (FEW, "few", FEW_LISTED)):
            with marketplace(folder / home, settings=settings):
                pass  # Its tables are there now.
            filling.agents(folder / home, listed, port)
            env = stack.enter_context(marketplace(folder / home, settings=settings))
            found[name] = system(name, env)
            _until_found(found[name], listed)
        return [*_asked(Side(found, pace), (many, FEW)), *_quoted(found[many], pace)]


def _until_found(one: System, listed: int) -> None:
    """Wait until the registry has indexed them all."""
    late = time.monotonic() + FOUND_S
    while not ask(one, "GET", f"/api/agents?q=agent%20{listed - 1}%20craft"):
        if time.monotonic() > late:
            raise RuntimeError(f"{one.name}: not all are found")
        time.sleep(1)


def _asked(side: Side, names: tuple[str, str]) -> list[Row]:
    """The first page, a search that fits all, and a choice among all."""
    fresh = itertools.count(1)

    def reading(path: str) -> Callable[[System], Load]:
        """Each with a price that was not asked for before, so that no answer was kept."""
        return lambda one: drive(
            one.port,
            lambda _: request("GET", f"{path}&maxPrice={1_000 + next(fresh)}"),
            callers=1,
            calls=side.pace.calls,
        )

    rows = []
    for path in (
        "/api/agents?limit=50",
        "/api/agents?q=craft&limit=50",
        "/api/agents?q=craft&sort=price&limit=50",
        "/api/agents/choose?q=craft&limit=20",
    ):
        work = f"GET {path}, p50"
        found = side.rounds(work, names, reading(path), p50_ms)
        rows.append(Row(work, "ms", found, (at_most(1.5, FEW),)))
    return [*rows, *side.cost_rows()]


def _quoted(one: System, pace: Pace) -> list[Row]:
    """Paid calls of one agent, with a quote that was asked for before and without."""
    body = {"agentId": AGENT, "payload": PAYLOAD}
    quote = ask(one, "POST", "/api/quotes", body)["quoteId"]
    sent = {QUOTED: {"quoteId": quote, "payload": PAYLOAD}, PLAIN: body}
    found: dict[str, list[float]] = {name: [] for name in sent}
    for number in range(pace.rounds):
        for name in list(sent)[:: -1 if number % 2 else 1]:
            asked = in_turn([request("POST", "/api/invoke-agent", sent[name])])
            load = drive(one.port, asked, callers=1, calls=pace.calls)
            found[name].append(load.p50_ms)
    return [Row("POST /api/invoke-agent, p50", "ms", found, (at_most(1.1, PLAIN),))]
