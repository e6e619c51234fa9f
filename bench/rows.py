"""The rows that compare systems: reads and calls."""

import itertools
import time
from collections.abc import Callable

from bench.load import Load, drive, in_turn
from bench.side import (
    COUNTED,
    LINKS,
    PAGE,
    PROCESSOR,
    READERS,
    Found,
    Side,
    Spent,
    ask,
    p50_ms,
    rate,
    spent,
    task_body,
)
from bench.systems import System
from bench.table import Row, at_least, at_most
from bench.wire import request
from bench.writer import Writer

CALLERS = 16
LONGER = 500
SETTLED_S, IDLE_S = 2.0, 3.0
AGENTS_ASKED = 2
WISH = "Summarize and translate to French: The {} bells rang. They rang twice. Nobody heard them."


def agents(side: Side) -> list[Row]:
    """GET /api/agents."""
    work = f"GET /api/agents, {READERS} connections"
    names = ("this", "0.2.0", "plain", "Express")
    found = side.rounds(work, names, lambda one: side.reads(one, "/api/agents"), rate)
    return [Row(work, "/s", found, (at_least(2.5, "Express"), at_least(15, "0.2.0")))]


def lists(side: Side) -> list[Row]:
    """GET /api/tasks and a task's steps."""
    rows = []
    for at, link in enumerate(LINKS):

        def one(system: System, at: int = at) -> Load:
            return side.reads(system, side.lists(system)[at])

        work = f"GET {link.format('{id}')}, {PAGE} rows, {READERS} connections"
        found = side.rounds(work, ("this", "0.2.0", "plain", "Express"), one, rate)
        rows.append(Row(work, "/s", found, (at_least(6, "Express"), at_least(60, "0.2.0"))))
    return rows


def writing(side: Side) -> list[Row]:
    """The same lists, while the account writes."""
    stale: Found = {}
    writes: Found = {}

    def one(system: System) -> Load:
        tasks, steps = side.lists(system)
        # The check needs all steps of the task, and it gets more of them.
        asked = in_turn([request("GET", tasks), request("GET", f"{steps}?limit={LONGER}")])
        with Writer(system, side.listed[system.name]) as writer:
            load = drive(
                system.port, asked, callers=READERS, seconds=side.pace.seconds, watch=writer
            )
        stale.setdefault(system.name, []).append(writer.stale)
        writes.setdefault(system.name, []).append(writer.rate)
        return load

    work = "both in turn, while the account writes 10 times a second"
    found = side.rounds(work, ("this", "0.2.0"), one, rate)
    return [
        Row(work, "/s", found, (at_least(4, "0.2.0"),)),
        Row("writes meanwhile", "/s", writes),
        Row("answers older than the caller's own last write", "", stale, (at_most(0),)),
    ]


def create(side: Side) -> list[Row]:
    """POST /api/tasks."""

    def made(number: int) -> bytes:
        return request("POST", "/api/tasks", task_body(number))

    def one(system: System) -> Load:
        return drive(system.port, made, callers=READERS, seconds=side.pace.seconds)

    work = f"POST /api/tasks, {READERS} connections (Express: not durable)"
    found = side.rounds(work, ("this", "0.2.0", "plain", "Express"), one, rate)
    return [Row(work, "/s", found, (at_least(1, "plain"),))]


def invoke(side: Side) -> list[Row]:
    """POST /api/invoke-agent, by one and by many."""
    names = ("this", "0.2.0", "plain", "DBOS")
    calls = side.pace.calls
    one, many = (f"POST /api/invoke-agent, {n}" for n in ("1 caller, p50", f"{CALLERS} callers"))
    alone = side.rounds(
        one, names, lambda on: drive(on.port, side.calls(on), callers=1, calls=calls), p50_ms
    )
    together = side.rounds(
        many,
        names,
        lambda on: drive(on.port, side.calls(on), callers=CALLERS, calls=4 * calls),
        rate,
    )
    targets = (at_least(1, "plain"), at_least(3, "DBOS"), at_least(2.5, "0.2.0"))
    return [
        Row(one, "ms", alone, (at_most(1.5, "plain"),)),
        Row(many, "/s", together, targets),
    ]


def processor(side: Side) -> list[Row]:
    """Processor time of a paid call, without what is spent when nobody calls."""
    calls = 2 * side.pace.calls
    each: dict[str, list[Spent]] = {}

    def one(system: System) -> Load:
        time.sleep(SETTLED_S)
        idle, began = system.processor_s(), time.monotonic()
        time.sleep(IDLE_S)
        before, middle = system.processor_s(), time.monotonic()
        load = drive(system.port, side.calls(system), callers=COUNTED, calls=calls)
        time.sleep(SETTLED_S)  # What lags behind an answer belongs to it.
        waited = (time.monotonic() - middle) / (middle - began)
        unasked = {kind: at + waited * (at - idle[kind]) for kind, at in before.items()}
        each.setdefault(system.name, []).append(spent(unasked, system.processor_s(), calls))
        return load

    work = f"{PROCESSOR} of a paid call, all processes"
    side.rounds(work, ("this", "0.2.0", "plain", "DBOS"), one, p50_ms)
    side.costs[work] = each
    found = {name: [sum(of.values()) for of in rounds] for name, rounds in each.items()}
    return [Row(work, "ms", found, (at_most(0.4, "0.2.0"),))]


def turn(side: Side) -> list[Row]:
    """A message to HubChat that two agents work on."""
    numbers = itertools.count()
    path = "/api/hubchat/message"

    def wish() -> dict[str, object]:
        return {"content": WISH.format(next(numbers))}

    def one(system: System) -> Load:
        said = ask(system, "POST", path, wish())
        assert said["done"], said
        assert len(said["message"]["costBreakdown"]["subtasks"]) == AGENTS_ASKED, said
        calls = side.pace.calls // 2
        return drive(system.port, lambda _: request("POST", path, wish()), callers=1, calls=calls)

    work = "HubChat turn of two instant agents, decided by rules, p50"
    found = side.rounds(work, ("this", "0.2.0"), one, p50_ms)
    return [Row(work, "ms", found, (at_most(0.5, "0.2.0"),))]


ROWS: dict[str, Callable[[Side], list[Row]]] = {
    "agents": agents,
    "lists": lists,
    "writing": writing,
    "create": create,
    "invoke": invoke,
    "processor": processor,
    "turn": turn,
}
"""By name, in this order."""
