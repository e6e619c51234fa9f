"""Whether four agents that answer to be a burden slow down everybody else.

    python -m bench.starving [--rounds 5] [--seconds 15]

Starts AgentBazaar as `make up` does and lists four agents that answer at once, and the four of
bench/hostile.py. People read lists and call an agent of their own, at a steady rate; beside them,
four agents are called once a second each: in turn the four honest ones, and the four hostile ones,
which are a burden to every probe besides. Prints what the people's requests took beside the one and
beside the other, and the ratio of the two, round by round; its median is what counts: both are of
the same minutes.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.systems import marketplace, register
from bench.wire import OK, exchange, instant_agent, request
from deploy.local.forks import command
from deploy.local.ports import free_port

INVOKE = "/api/invoke-agent"
PEOPLE: dict[str, tuple[float, bytes]] = {
    "POST /api/invoke-agent": (
        8,
        request("POST", INVOKE, {"agentId": "own", "payload": {"text": "hello"}}),
    ),
    "GET /api/agents": (20, request("GET", "/api/agents")),
    "GET /api/tasks?limit=20": (10, request("GET", "/api/tasks?limit=20")),
}
"""What people ask, so many times a second."""
BURDEN_EVERY_S = 1.0
AT_ONCE = 2
"""Calls of one hostile agent that may be under way."""
SETTLED_S = 40
SERVICES = ("task_svc", "registry_svc")


@dataclass
class Found:
    """What people saw: seconds that each request took, and how many were refused.

    Attributes:
        busy: processor time that a service took meanwhile, as a share of one core.
    """

    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[str] = field(default_factory=Counter)
    busy: dict[str, float] = field(default_factory=dict)


@contextmanager
def hostile() -> Iterator[dict[str, int]]:
    """The hostile agents, in a process of their own; yields their ports by name."""
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.hostile"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        lines = (server.stdout.readline().split() for _ in range(4))
        yield {name: int(port) for name, port in lines}
    finally:
        server.terminate()
        server.wait(10)


def listings(agents: dict[str, int]) -> list[dict[str, object]]:
    """Agents of this machine, by id and port, as they are listed."""
    return [
        {
            "id": name,
            "endpointUrl": f"http://127.0.0.1:{port}",
            "name": name,
            "description": "",
            "skills": [name],
            "basePrice": "0.01",
        }
        for name, port in agents.items()
    ]


async def person(port: int, what: str, until: float, found: Found) -> None:
    """Ask one thing at its rate, each time on a connection that is free."""
    rate, asked = PEOPLE[what]
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask() -> None:
        began = time.perf_counter()
        connection = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
        status, _ = await exchange(*connection, asked)
        found.took[what].append(time.perf_counter() - began)
        found.refused[what] += status != OK
        idle.append(connection)

    async with asyncio.TaskGroup() as asking:
        while time.monotonic() < until:
            asking.create_task(ask())
            await asyncio.sleep(random.uniform(0.5, 1.5) / rate)
    for _, writer in idle:
        writer.close()


async def burden(port: int, name: str, until: float) -> None:
    """Call an agent again and again, whatever comes of it."""
    asked = request("POST", INVOKE, {"agentId": name, "payload": {"text": "hello"}})

    async def call() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await exchange(reader, writer, asked)
        writer.close()

    calls: set[asyncio.Task[None]] = set()
    while time.monotonic() < until:
        calls = {call for call in calls if not call.done()}
        if len(calls) < AT_ONCE:
            calls.add(asyncio.create_task(call()))
        await asyncio.sleep(BURDEN_EVERY_S)
    if calls:
        await asyncio.wait(calls, timeout=SETTLED_S)


def processor_s(runner_pid: int) -> dict[str, float]:
    """Processor time that each of the two services has taken so far."""
    found = {}
    for process in psutil.Process(runner_pid).children(recursive=True):
        name = next(reversed(command(process)), "")
        if name in SERVICES:
            times = process.cpu_times()
            found[name] = times.user + times.system
    return found


async def measured(port: int, pid: int, beside: list[str], seconds: float) -> Found:
    """People's requests beside calls of these agents."""
    found = Found()
    before = processor_s(pid)
    began = time.monotonic()
    until = began + seconds

    async def count() -> None:
        await asyncio.sleep(seconds)
        spent = time.monotonic() - began
        now = processor_s(pid)
        found.busy = {name: (now[name] - before[name]) / spent for name in SERVICES}

    await asyncio.gather(
        *(person(port, what, until, found) for what in PEOPLE),
        *(burden(port, name, until) for name in beside),
        count(),
    )
    await asyncio.sleep(2)
    return found


def p50(took: list[float]) -> float:
    """Median, in ms."""
    return statistics.median(took) * 1000


def p99(took: list[float]) -> float:
    """99th percentile, in ms."""
    return statistics.quantiles(took, n=100)[98] * 1000


def row(what: str, honest: list[Found], hostile: list[Found]) -> None:
    """Print medians over the rounds, how many requests were refused, and the ratios."""
    ours, theirs = ([found.took[what] for found in side] for side in (honest, hostile))
    asked = "+".join(str(sum(map(len, side))) for side in (ours, theirs))
    refused = "+".join(str(sum(one.refused[what] for one in side)) for side in (honest, hostile))
    figures = [statistics.median(map(of, side)) for side in (ours, theirs) for of in (p50, p99)]
    ratios = [
        statistics.median(of(b) / of(a) for a, b in zip(ours, theirs, strict=True))
        for of in (p50, p99)
    ]
    shown = " ".join(f"{figure:8.1f}" for figure in figures)
    print(f"{what:<24} {asked:>9} {refused:>7} {shown} {ratios[0]:6.2f} {ratios[1]:6.2f}")


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    honest = {f"honest-{n}": free_port() for n in range(4)} | {"own": free_port()}
    servers = [await instant_agent(port) for port in honest.values()]
    beside_honest: list[Found] = []
    beside_hostile: list[Found] = []
    with tempfile.TemporaryDirectory(prefix="bazaar-bench-") as folder:
        await asyncio.to_thread(os.chmod, folder, 0o755)
        with marketplace(Path(folder) / "home") as env:
            port, pid = int(env["GATEWAY_PORT"]), int(env["PID"])
            await register(env, *listings(honest))
            kind = [name for name in honest if name != "own"]
            warm = await measured(port, pid, kind, options.seconds / 2)
            if warm.refused.total():
                raise SystemExit(f"Requests were refused before anything began: {warm.refused}")
            for _ in range(options.rounds):
                beside_honest.append(await measured(port, pid, kind, options.seconds))
                with hostile() as burdens:
                    await register(env, *listings(burdens))
                    beside_hostile.append(await measured(port, pid, list(burdens), options.seconds))
    for server in servers:
        server.close()
    print(f"{'milliseconds':<42} {'beside honest':>17} {'beside hostile':>17} {'ratio':>13}")
    print(
        f"{'':<24} {'asked':>9} {'refused':>7} {'p50':>8} {'p99':>8} {'p50':>8} {'p99':>8}"
        f" {'p50':>6} {'p99':>6}"
    )
    for what in PEOPLE:
        row(what, beside_honest, beside_hostile)
    for name in SERVICES:
        a, b = (
            statistics.median(found.busy[name] for found in side) * 100
            for side in (beside_honest, beside_hostile)
        )
        print(f"processor time of {name}: {a:.0f} % of a core, {b:.0f} % beside hostile agents")


if __name__ == "__main__":
    asyncio.run(main())
