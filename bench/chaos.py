"""Chaos: every process is killed and frozen while callers ask, and then everything is added up.

    python -m bench.chaos [--operations 2000] [--callers 8] [--seed 1]

Runs this checkout as separate processes: PostgreSQL, NATS, the keeper, the agents, two replicas of
each service, two gateways. Every 5 to 25 seconds one of them is killed (and started again, as a
supervisor does) or frozen for a while; each meets both in turn. Callers ask with keys and do not
give up: every request has to end with 200, or with a refusal that is final. At the end nothing may
be held, under way or a dead letter, and the books must agree with what callers were told. The table
says how long each loss was felt.
"""

import argparse
import asyncio
import itertools
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

import httpx
import psutil

from bench.callers import ANSWER_S, Callers
from bench.releases import Fleet, Release, settings
from bench.sums import CONTEXTS, add_up
from bench.upgrade import OF_ALL, OF_EACH, new_key
from deploy.local import home, postgres
from deploy.local.ports import free_port
from deploy.local.process import Process
from deploy.local.settings import AGENTS, PROJECT

GRANT = Decimal(100_000)
BETWEEN_S = (5.0, 25.0)
FROZEN_S = (1.0, 8.0)
AFTER_S = 4.0
"""How long after a loss what callers feel is put down to it."""
Fault = Literal["killed", "frozen"]


@dataclass
class Loss:
    """What callers felt of the losses of one kind.

    Attributes:
        times: how often it happened.
        slowest_s: the longest that a request took with all its tries, of those answered then.
        silent_s: the longest time without a good answer to a plain question.
    """

    times: int = 0
    slowest_s: float = 0
    silent_s: float = 0


@dataclass
class Storm:
    """The processes, who asks them, and what is done to them."""

    fleet: Fleet
    callers: Callers
    processes: dict[str, Process]
    random: random.Random
    losses: dict[tuple[str, Fault], Loss] = field(default_factory=dict)
    deaths: int = 0
    """Processes that ended by themselves, as some do when the bus is away for long."""

    async def rage(self) -> None:
        """Kill and freeze until cancelled; what is down at the end is started again."""
        for name, fault in self._order():
            await asyncio.sleep(self.random.uniform(*BETWEEN_S))
            self.callers.look()
            await (self._kill(name) if fault == "killed" else self._freeze(name))
            await asyncio.sleep(AFTER_S)
            self._note(name, fault)

    async def mend(self) -> None:
        """Start again what ended by itself, as a supervisor does, until cancelled."""
        while True:
            for name in [n for n, child in self.fleet.running.items() if not child.alive()]:
                self.deaths += 1
                del self.fleet.running[name]
                if (prepare := self.processes[name].prepare) is not None:
                    await asyncio.to_thread(prepare)
                await self.fleet.start(self.processes[name])
            await asyncio.sleep(0.2)

    def _order(self) -> Iterator[tuple[str, Fault]]:
        """Each process and fault once in every round, in an order of chance."""
        faults: tuple[Fault, ...] = ("killed", "frozen")
        every = [(name, fault) for name in self.processes for fault in faults]
        for _ in itertools.count():
            self.random.shuffle(every)
            yield from every

    async def _kill(self, name: str) -> None:
        self.fleet.running[name].kill()  # Whoever mends finds it.
        await self.fleet.running[name].ends()

    async def _freeze(self, name: str) -> None:
        with suppress(psutil.NoSuchProcess):
            head = psutil.Process(self.fleet.running[name].popen.pid)
            frozen = [head, *head.children(recursive=True)]
            try:
                for one in frozen:
                    with suppress(psutil.NoSuchProcess):
                        one.suspend()
                await asyncio.sleep(self.random.uniform(*FROZEN_S))
            finally:
                for one in frozen:
                    with suppress(psutil.NoSuchProcess):
                        one.resume()

    def _note(self, name: str, fault: Fault) -> None:
        felt = self.callers.look()
        loss = self.losses.setdefault((name.rstrip("-12"), fault), Loss())
        loss.times += 1
        loss.slowest_s = max(loss.slowest_s, felt.slowest_s)
        loss.silent_s = max(loss.silent_s, felt.silent_s)

    def table(self) -> str:
        """What was felt of which loss."""
        rows = [f"{'':<16} {'':<7} {'times':>5} {'slowest request':>16} {'nothing to read':>16}"]
        for (name, fault), loss in sorted(self.losses.items()):
            rows.append(
                f"{name:<16} {fault:<7} {loss.times:5}"
                f" {loss.slowest_s:14.1f} s {loss.silent_s:14.1f} s"
            )
        return "\n".join(rows)


def processes(folder: Path, dsn: str) -> dict[str, Process]:
    """Two replicas of this checkout, by name, on ports of their own; one-shots included."""
    release = Release("new", PROJECT, sys.executable)
    shared: dict[str, object] = {name: free_port() for name in OF_ALL}
    shared |= {f"{name.upper()}_URL": f"http://localhost:{free_port()}" for name in AGENTS}
    found: dict[str, Process] = {}
    for replica in ("1", "2"):
        own = {name: free_port() for name in OF_EACH}
        env = settings(folder / "home", shared | own, DATABASE_URL=dsn, AUTH_MODE="token")
        table = release.table(env)
        for name in ("gateway", *(f"{context}_svc" for context in CONTEXTS)):
            found[f"{name}-{replica}"] = replace(table.pop(name), name=f"{name}-{replica}")
        found |= table  # One server, one keeper, one agent of each kind.
    return found


async def storm(folder: Path, options: argparse.Namespace) -> None:
    """Start everything, let the storm pass over it, and add up."""
    (folder / "home").mkdir()
    (folder / "logs").mkdir()
    port = free_port()
    database = postgres.process(folder / "home", port, home.passwords(folder / "home")["postgres"])
    dsn = postgres.dsn(port, home.passwords(folder / "home")["postgres"])
    known = processes(folder, dsn)
    shots = {name: known.pop(name) for name in [n for n, one in known.items() if one.ready is None]}
    monitor = str(known["nats"].ready).removesuffix("/healthz")
    fleet = Fleet(folder / "logs")
    try:
        if database.prepare is not None:
            await asyncio.to_thread(database.prepare)
        await fleet.start(database, known["nats"])
        for name in ("provision", "migrate"):
            await fleet.do(shots[name])
        await fleet.start(known["keeper"])
        await fleet.start(*(one for name, one in known.items() if name not in fleet.running))
        known["postgres"] = database
        async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as http:
            gateways = [f"http://127.0.0.1:{known[f'gateway-{n}'].env['PORT']}" for n in (1, 2)]
            callers = Callers(http, gateways)
            it = Storm(fleet, callers, known, random.Random(options.seed))
            key = await asyncio.to_thread(new_key, folder, known["gateway-1"])
            http.headers["Authorization"] = f"Bearer {key}"
            took = await _pass(it, options)
            print(it.table())
            http.base_url = httpx.URL(gateways[0])
            print(f"{len(callers.asked)} requests in {took:.0f} s, {sum_of(it)}")
            print(await add_up(http, callers.asked, GRANT, dsn, monitor, some_refused=True))
            print(await callers.followed())
    finally:
        await fleet.end()


def sum_of(it: Storm) -> str:
    """How often what happened, in words."""
    kills = sum(loss.times for (_, fault), loss in it.losses.items() if fault == "killed")
    freezes = sum(loss.times for (_, fault), loss in it.losses.items() if fault == "frozen")
    tries = sum(one.tries for one in it.callers.asked)
    slowest = max(one.took_s for one in it.callers.asked)
    return (
        f"{kills} kills, {freezes} freezes, {it.deaths - kills} ends of themselves;"
        f" {tries} tries, the slowest request took {slowest:.1f} s"
    )


async def _pass(it: Storm, options: argparse.Namespace) -> float:
    """Have callers ask through the storm; how many seconds that took."""
    began = time.monotonic()
    calling = asyncio.create_task(it.callers.run(options.callers))
    raging, mending = asyncio.create_task(it.rage()), asyncio.create_task(it.mend())
    try:
        while len(it.callers.asked) < options.operations:
            await asyncio.wait({calling, raging, mending}, timeout=1, return_when="FIRST_COMPLETED")
            for one in (calling, raging, mending):
                if one.done():
                    one.result()
    finally:
        raging.cancel()
        await asyncio.wait({raging})
        it.callers.stopping = True
        await calling
        mending.cancel()
        await asyncio.wait({mending})
    return time.monotonic() - began


def main() -> int:
    """Run the storm, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--operations", type=int, default=2_000)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-logs", type=Path, help="where logs go when it fails")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bazaar-chaos-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL does not run as root.
        try:
            asyncio.run(storm(folder, options))
        except Exception:
            if options.keep_logs:
                shutil.copytree(folder / "logs", options.keep_logs, dirs_exist_ok=True)
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
