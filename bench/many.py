"""What it costs that ten thousand agents are listed, beside six."""

import time
from contextlib import ExitStack
from pathlib import Path

from bench import filling
from bench.load import Load, drive
from bench.side import AGENT, Found, Pace, Side, ask, p50_ms
from bench.systems import System, agent, at_instant_agent, marketplace, system
from bench.table import Row, at_least, at_most
from bench.wire import request

PERIOD_S = 5.0
"""PROBE_EVERY_S, as it is unless set."""
PERIODS = 2
SETTLED_S = 15.0
FEW = "6 agents"
WISH = "Summarize: The {} bells rang. They rang twice. Nobody heard them."


def rows(folder: Path, pace: Pace, count: int) -> list[Row]:
    """Two marketplaces of this checkout: six agents, and so many more, all of them well.

    Args:
        folder: a place for their data; it does not exist yet.
        pace: how long everything is measured.
        count: agents.
    """
    many = f"{count:,} agents"
    folder.mkdir()
    with ExitStack() as stack:
        # They are at addresses of their own, of which this machine has 127.0.0.0/8.
        port = stack.enter_context(agent("0.0.0.0"))  # noqa: S104  (no less is 10,000 addresses)
        settings = at_instant_agent(stack.enter_context(agent()))
        settings["AGENT_HOSTS"] = filling.hosts(count)
        with marketplace(folder / "many", settings=settings):
            pass  # Its tables are there now.
        filling.agents(folder / "many", count, port)
        found = {}
        for name, home in ((many, "many"), (FEW, "few")):
            env = stack.enter_context(marketplace(folder / home, settings=settings))
            found[name] = system(name, env)
        time.sleep(SETTLED_S)
        side = Side(found, pace)
        probed = System("agents", port, ())
        return [*probes(side, probed, many, count), *asked(side, (many, FEW))]


def probes(side: Side, probed: System, many: str, count: int) -> list[Row]:
    """Whether probes keep their period, and what they cost."""
    kept: Found = {many: []}
    idle: Found = {many: [], FEW: []}
    more: Found = {many: []}
    for _ in range(side.pace.rounds):
        asked_before, began = ask(probed, "GET", "/probes"), time.monotonic()
        before = {name: sum(one.processor_s().values()) for name, one in side.systems.items()}
        time.sleep(PERIODS * PERIOD_S)
        seconds = time.monotonic() - began
        for name, one in side.systems.items():
            idle[name].append((sum(one.processor_s().values()) - before[name]) / seconds)
        made = ask(probed, "GET", "/probes") - asked_before
        kept[many].append(made / (count * seconds / PERIOD_S))
        more[many].append(idle[many][-1] - idle[FEW][-1])
    return [
        Row("probes made, of those that were due", "", kept, (at_least(0.95),)),
        Row("processor time when nobody asks, all processes", "cores", idle),
        Row("of it because of the probes", "cores", more, (at_most(0.2),)),
    ]


def asked(side: Side, names: tuple[str, str]) -> list[Row]:
    """One agent, and one message to HubChat."""

    def read(one: System) -> Load:
        return drive(
            one.port,
            lambda _: request("GET", f"/api/agents/{AGENT}"),
            callers=1,
            calls=side.pace.calls,
        )

    def wish(one: System) -> Load:
        return drive(
            one.port,
            lambda n: request("POST", "/api/hubchat/message", {"content": WISH.format(n)}),
            callers=1,
            calls=side.pace.calls // 4,
        )

    rows = []
    for work, one in (
        ("GET /api/agents/{id}, p50", read),
        ("POST /api/hubchat/message, one agent, decided by rules, p50", wish),
    ):
        found = side.rounds(work, names, one, p50_ms)
        rows.append(Row(work, "ms", found, (at_most(1.5, FEW),)))
    return [*rows, *side.cost_rows()]
