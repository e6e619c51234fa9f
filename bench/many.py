"""What it costs that ten thousand agents are listed, beside a hundred."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from bench import filling
from bench.load import OK, Load, drive
from bench.side import AGENT, Found, Pace, Side, ask, p50_ms
from bench.systems import System, agent, at_instant_agent, marketplace, system
from bench.table import Row, at_least, at_most
from bench.wire import request
from registry_svc.settings import Settings

FEW = 100
PERIODS = 1
SETTLED_S = 15.0
LEAST_ROWS, MOST_ROWS = 20, 99
"""No limit of a list is asked for twice in a round, so that no answer was kept."""
IMPORTED_AT_ONCE = 100
WISH = "Summarize: The {} bells rang. They rang twice. Nobody heard them."
EVERY_S = float(Settings.model_fields["probe_every_s"].default)
PER_S = float(Settings.model_fields["probes_per_s"].default)


def period_s(agents: int) -> float:
    """Seconds between two probes of an agent, as it is unless set."""
    return max(EVERY_S, agents / PER_S)


def rows(folder: Path, pace: Pace, count: int) -> Iterator[list[Row]]:
    """Two marketplaces of this checkout: a hundred agents, and so many, all of them well.

    Args:
        folder: a place for their data; it does not exist yet.
        pace: how long everything is measured.
        count: agents.
    """
    names = {f"{size:,} agents": size for size in (count, FEW)}
    folder.mkdir()
    with ExitStack() as stack:
        # They are at addresses of their own, of which this machine has 127.0.0.0/8.
        port = stack.enter_context(agent("0.0.0.0"))  # noqa: S104  (no less is 10,000 addresses)
        settings = at_instant_agent(stack.enter_context(agent()))
        settings["AGENT_HOSTS"] = filling.hosts(count)
        found = {}
        for size in names.values():
            with marketplace(folder / str(size), settings=settings):
                pass  # Its tables are there now.
            filling.agents(folder / str(size), size, port)
        for name, size in names.items():
            env = stack.enter_context(marketplace(folder / str(size), settings=settings))
            found[name] = system(name, env)
        time.sleep(SETTLED_S)
        side = Side(found, pace)
        probed, many = System("agents", port, ()), next(iter(names))
        yield probes(side, probed, names)
        yield asked(side, tuple(names))
        yield quoted(side, many)
        yield imported(side, many, port)
        yield side.cost_rows()


def probes(side: Side, probed: System, names: dict[str, int]) -> list[Row]:
    """Whether probes keep their period, and what they cost.

    All agents are one process that counts: the hundred's probes, which keep theirs, are taken off.
    """
    many, few = names
    kept: Found = {many: []}
    idle: Found = {many: [], few: []}
    more: Found = {many: []}
    for _ in range(side.pace.rounds):
        asked_before, began = ask(probed, "GET", "/probes"), time.monotonic()
        before = {name: sum(one.processor_s().values()) for name, one in side.systems.items()}
        time.sleep(PERIODS * period_s(names[many]))
        seconds = time.monotonic() - began
        for name, one in side.systems.items():
            idle[name].append((sum(one.processor_s().values()) - before[name]) / seconds)
        of_few = names[few] * seconds / period_s(names[few])
        made = ask(probed, "GET", "/probes") - asked_before - of_few
        kept[many].append(made / (names[many] * seconds / period_s(names[many])))
        more[many].append(idle[many][-1] - idle[few][-1])
    every = f"every {period_s(names[many]):g} s"
    return [
        Row(f"probes made, of those that were due ({every})", "", kept, (at_least(0.95),)),
        Row("processor time when nobody asks, all processes", "cores", idle),
        Row("of it because of the probes", "cores", more, (at_most(0.2),)),
    ]


def asked(side: Side, names: tuple[str, ...]) -> list[Row]:
    """Lists, a choice, one agent, and one message to HubChat."""
    most = MOST_ROWS - LEAST_ROWS

    def read(link: Callable[[int], str]) -> Callable[[System], Load]:
        return lambda one: drive(
            one.port,
            lambda number: request("GET", link(number)),
            callers=1,
            calls=min(side.pace.calls, most),
        )

    def wish(one: System) -> Load:
        return drive(
            one.port,
            lambda n: request("POST", "/api/hubchat/message", {"content": WISH.format(n)}),
            callers=1,
            calls=side.pace.calls // 4,
        )

    work = {
        "GET /api/agents, first page, p50": read(lambda n: f"/api/agents?limit={MOST_ROWS - n}"),
        "GET /api/agents?q=, a word that all have, p50": read(
            lambda n: f"/api/agents?q=craft&limit={MOST_ROWS - n}"
        ),
        "GET /api/agents?q=, words that one has, p50": read(
            lambda n: f"/api/agents?q=craft+{n}&limit={MOST_ROWS - n}"
        ),
        "GET /api/agents?q=&sort=rating, a word that all have, p50": read(
            lambda n: f"/api/agents?q=craft&sort=rating&limit={MOST_ROWS - n}"
        ),
        "GET /api/agents/choose?skill=, all have it, p50": read(
            lambda n: f"/api/agents/choose?skill=craft&limit={n % 20 + 1}&maxPrice={n + 10}"
        ),
        "GET /api/agents/choose?skill=, one has it, p50": read(
            lambda n: f"/api/agents/choose?skill=craft+{n}"
        ),
        "GET /api/agents/{id}, p50": read(lambda _: f"/api/agents/{AGENT}"),
        "POST /api/hubchat/message, one agent, decided by rules, p50": wish,
    }
    return [
        Row(what, "ms", side.rounds(what, names, one, p50_ms), (at_most(1.5, names[1]),))
        for what, one in work.items()
    ]


def quoted(side: Side, name: str) -> list[Row]:
    """Paid calls by a quote that was asked for before, beside calls without one."""
    market = side.systems[name]
    side.ready(market)
    calls = side.pace.calls
    bodies: list[dict[str, object]] = []

    def plain(_: System) -> Load:
        return drive(market.port, side.calls(market), callers=1, calls=calls)

    def by_quote(_: System) -> Load:
        pool = side.pools[name]
        return drive(
            market.port,
            lambda n: request("POST", "/api/invoke-agent", bodies[n] | {"taskId": pool[n % 100]}),
            callers=1,
            calls=calls,
        )

    names = ("by a quote", "without")
    both = Side({one: replace(market, name=one) for one in names}, side.pace)
    both.pools |= dict.fromkeys(names, side.pools[name])

    def one(system_: System) -> Load:
        if system_.name == "without":
            return plain(system_)
        bodies[:] = [_quote(market, number) for number in range(calls)]
        return by_quote(system_)

    what = "POST /api/invoke-agent, p50"
    return [Row(what, "ms", both.rounds(what, names, one, p50_ms), (at_most(1.1, "without"),))]


def _quote(market: System, number: int) -> dict[str, object]:
    payload = {"text": f"The {number} bells rang."}
    said = ask(market, "POST", "/api/quotes", {"agentId": AGENT, "payload": payload})
    return {"agentId": AGENT, "quoteId": said["quoteId"], "payload": payload}


def imported(side: Side, name: str, port: int) -> list[Row]:
    """What a paid call takes while a hundred cards are imported at once, again and again."""
    market = side.systems[name]
    while_, before = "while 100 are imported", "before"
    both = Side({one: replace(market, name=one) for one in (while_, before)}, side.pace)
    both.pools |= dict.fromkeys(both.systems, side.pools[name])
    longest: Found = {while_: [], before: []}
    done: Found = {while_: []}
    put_off: Found = {while_: []}
    turns = itertools.count()

    def one(system_: System) -> Load:
        calls = side.pace.calls
        if system_.name == before:
            load = drive(market.port, side.calls(market), callers=1, calls=calls)
        else:
            with _importing(market.port, port, next(turns)) as imports:
                load = drive(market.port, side.calls(market), callers=1, calls=calls)
            done[while_].append(imports[OK])
            put_off[while_].append(imports.total() - imports[OK])
        longest[system_.name].append(max(load.took) * 1000)
        return load

    what = "POST /api/invoke-agent beside imports"
    found = both.rounds(f"{what}, p50", (while_, before), one, p50_ms)
    return [
        Row(f"{what}, p50", "ms", found),
        Row(f"{what}, the longest", "ms", longest),
        Row("imports that were done meanwhile", "", done),
        Row("imports that were put off (503, 504)", "", put_off),
    ]


@contextmanager
def _importing(port: int, agents_port: int, turn: int) -> Iterator[Counter[int]]:
    """Import cards, a hundred at once, for as long as something else is done; the statuses."""
    statuses: Counter[int] = Counter()
    over = threading.Event()

    def body(number: int) -> bytes:
        url = f"http://127.1.0.{number}:{agents_port}/import-{turn}"
        said = {"url": url, "protocol": "a2a", "basePrice": 1}
        return request("POST", "/api/agents/import", said)

    def run() -> None:
        while not over.is_set():
            done = drive(port, body, callers=IMPORTED_AT_ONCE, calls=IMPORTED_AT_ONCE)
            statuses[OK] += len(done.took)
            statuses.update(done.refused)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield statuses
    finally:
        over.set()
        thread.join()
