"""Chaos: every process is killed and frozen while callers ask, and then everything is added up.

    python -m bench.chaos [--operations 2000] [--callers 8] [--seed 1] [--cluster | --stops]

Runs this checkout as separate processes: PostgreSQL, NATS, the keeper, the agents, two replicas of
each service, two gateways. Every 5 to 25 seconds one of them is killed (and started again, as a
supervisor does) or frozen for a while; each meets both in turn. With --cluster there are three NATS
servers, and a PostgreSQL with a standby: each is killed and stays away for a while, and in the
middle the primary is lost for good and its standby promoted. With --stops every second a service or
gateway is told to end, as in a deploy, and started again.
Callers ask with keys and do not give up: every request has to end with 200, or with a refusal that
is final. At the end nothing may be held, under way or a dead letter, and the books must agree with
what callers were told. The table says how long each loss was felt.
"""

import argparse
import asyncio
import itertools
import random
import shutil
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import httpx

from bench.callers import ANSWER_S, Callers
from bench.cluster import PRIMARY, STANDBY, clustered
from bench.releases import Fleet
from bench.storm import FROZEN_S, Storm, Turn
from bench.sums import add_up
from bench.system import alone
from bench.upgrade import new_key
from chassis.endings import end
from deploy.local.settings import AGENTS

GRANT = Decimal(100_000)
LOSSES = 40
"""At least, and each process its own."""
BETWEEN_SERVERS_S = (2.0, 6.0)
STOPS = 120
BETWEEN_STOPS_S = (0.5, 1.5)
AWAY_S = 8.0
"""How long a server of a cluster stays away."""


def turns(it: Storm, options: argparse.Namespace) -> list[Turn]:
    """What is lost, in which order."""
    if options.stops:
        ours = [name for name in it.processes if name[-2:] in {"-1", "-2"}]
        return list(itertools.islice(it.rounds(ours, "stopped"), STOPS))
    if not options.cluster:
        most = max(LOSSES, 2 * len(it.processes))
        return list(itertools.islice(it.rounds(it.processes, "killed", "frozen"), most))
    servers = set(it.processes) - {PRIMARY, STANDBY, *AGENTS}
    rounds = it.rounds(sorted(servers), "killed")
    before, after = (list(itertools.islice(rounds, len(servers))) for _ in range(2))
    return [*before, (STANDBY, "killed"), (PRIMARY, "lost"), *after]


async def storm(folder: Path, options: argparse.Namespace) -> None:
    """Start everything, let the storm pass over it, and add up."""
    (folder / "home").mkdir()
    (folder / "logs").mkdir()
    fleet = Fleet(folder / "logs")
    try:
        system = await (clustered if options.cluster else alone)(fleet, folder)
        async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as http:
            callers = Callers(http, system.gateways)
            it = Storm(fleet, callers, system.processes, random.Random(options.seed), system.lose)
            if options.cluster:
                it.between_s, it.away_s = BETWEEN_SERVERS_S, AWAY_S
            if options.stops:
                it.between_s, it.after_s = BETWEEN_STOPS_S, 0
            key = await asyncio.to_thread(new_key, folder, system.processes["gateway-1"])
            http.headers["Authorization"] = f"Bearer {key}"
            took = await _pass(it, turns(it, options), options)
            print(it.table())
            http.base_url = httpx.URL(system.gateways[0])
            print(f"{len(callers.asked)} requests in {took:.0f} s, {sum_of(it)}")
            asked, where = callers.asked, (system.dsn, *system.monitors)
            print(await add_up(http, asked, GRANT, *where, some_refused=True))
            print(await callers.followed())
    finally:
        await fleet.end()


def sum_of(it: Storm) -> str:
    """How often what happened, in words."""
    killed = it.happened("killed")
    lost = it.happened("lost")
    tries = sum(one.tries for one in it.callers.asked)
    slow = max(it.callers.asked, key=lambda one: one.took_s)
    return (
        f"{killed} kills, {it.happened('frozen')} freezes, {it.stops} stops, {lost} lost for good,"
        f" {it.deaths - killed} ends of themselves;"
        f" {tries} tries; the slowest request (POST {slow.path}, {slow.tries} tries) took"
        f" {slow.took_s:.1f} s"
    )


async def _pass(it: Storm, all_: list[Turn], options: argparse.Namespace) -> float:
    """Have callers ask through the storm; how many seconds that took."""
    began = time.monotonic()
    # So that they still ask when the last loss comes, and are about done by then.
    a_loss = sum(it.between_s) / 2
    if not options.stops:
        a_loss += it.away_s + it.after_s + sum(FROZEN_S) / 4
    it.callers.every_s = len(all_) * a_loss * options.callers / options.operations
    calling = asyncio.create_task(it.callers.run(options.callers))
    raging, mending = asyncio.create_task(it.rage(all_)), asyncio.create_task(it.mend())
    try:
        while not raging.done() or len(it.callers.asked) < options.operations:
            busy = {one for one in (calling, raging, mending) if not one.done()}
            await asyncio.wait(busy, timeout=1, return_when="FIRST_COMPLETED")
            for one in (calling, raging, mending):
                if one.done():
                    one.result()
    finally:
        await end(raging)
        it.callers.stopping = True
        await calling
        await end(mending)
    return time.monotonic() - began


def main() -> int:
    """Run the storm, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--operations", type=int, default=2_000)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--cluster", action="store_true", help="three NATS servers, a standby")
    kinds.add_argument("--stops", action="store_true", help="told to end, every second")
    parser.add_argument("--keep-logs", type=Path, help="where logs go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bazaar-chaos-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL does not run as root.
        try:
            asyncio.run(storm(folder, options))
        finally:
            if options.keep_logs:
                shutil.copytree(folder / "logs", options.keep_logs, dirs_exist_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
