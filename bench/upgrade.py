"""A rolling upgrade, rehearsed: from an older release to this one, under load.

    python -m bench.upgrade 9a97945 [--back] [--venv]

The older release (a tag or commit) runs as separate processes: PostgreSQL, NATS, two replicas of
each service, two gateways. It is replaced by this checkout step by step, as
docs/operations/upgrade.md says, while callers ask; two processes are killed on the way. At the end
everything is added up, or, with --back, after all steps were gone back again. The figures say what
callers felt: requests that were done, how long the slowest took with all its tries, how long
nothing could be read.
"""

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import httpx

from bench.callers import ANSWER_S, Callers
from bench.releases import Fleet, Release, by_admin, checkout, drop, settings
from bench.sums import add_up
from contracts.users import CONTEXTS
from deploy.local import home, postgres
from deploy.local.ports import free_port
from deploy.local.process import Process
from deploy.local.settings import AGENTS, PROJECT

GRANT = Decimal(100_000)
CALLERS = 4
HEALTH_PORTS = [f"{context.upper()}_HEALTH_PORT" for context in CONTEXTS]
OF_EACH = ["GATEWAY_PORT", "GATEWAY_METRICS_PORT", *HEALTH_PORTS]
OF_ALL = ["NATS_PORT", "NATS_MONITOR_PORT", "KEEPER_HEALTH_PORT"]
ACCOUNT = "alice"


@dataclass
class Rehearsal:
    """The system that is upgraded, and who asks it meanwhile."""

    fleet: Fleet
    callers: Callers
    tables: dict[str, dict[str, Process]]
    """What there is to run, by release and replica: `old-1`, `old-2`, `new-1`, `new-2`."""
    jetstream: Path
    seconds: float

    async def step(self, name: str) -> None:
        """End a step: let callers go on for a while, and tell what they felt in all."""
        await asyncio.sleep(self.seconds)
        felt = self.callers.look()
        answers = " ".join(f"{status or 'none'}:{n}" for status, n in sorted(felt.answers.items()))
        print(
            f"{name:<52} {felt.done:5} {felt.slowest_s:8.2f} s {felt.silent_s:8.2f} s   {answers}",
            flush=True,
        )

    async def services(self, which: str) -> None:
        """Start a replica of every service."""
        await self.fleet.start(*(self.one(which, f"{context}_svc") for context in CONTEXTS))

    async def no_services(self, which: str) -> None:
        """Stop a replica of every service that still runs."""
        names = [f"{context}_svc-{which}" for context in CONTEXTS]
        await self.fleet.stop(*(name for name in names if name in self.fleet.running))

    async def gateway(self, which: str) -> None:
        """Start a gateway, and let callers know it."""
        one = self.one(which, "gateway")
        await self.fleet.start(one)
        self.callers.gateways.append(f"http://127.0.0.1:{one.env['PORT']}")

    async def no_gateway(self, which: str) -> None:
        """Take a gateway away from the callers, then stop it."""
        self.callers.gateways.remove(f"http://127.0.0.1:{self.one(which, 'gateway').env['PORT']}")
        await self.fleet.stop(f"gateway-{which}")

    async def database(self) -> None:
        """The new roles and tables, while whoever runs goes on."""
        for name in ("provision", "migrate"):
            await self.fleet.do(self.one("new-1", name))

    async def bus(self, release: str, *, was: str, becomes: str) -> None:
        """Start the server anew with the users of a release, and its streams where they belong."""
        began = time.monotonic()
        await self.fleet.stop("nats")
        (self.jetstream / was).rename(self.jetstream / becomes)
        server = self.tables[f"{release}-1"]["nats"]
        use_configuration(Path(server.argv[-1]), release)
        await self.fleet.start(server)
        print(f"  the bus was away for {time.monotonic() - began:.2f} s")

    def one(self, which: str, name: str) -> Process:
        """A process of a replica, called by its name."""
        return replace(self.tables[which][name], name=f"{name}-{which}")


async def new_services(it: Rehearsal) -> None:
    """Services beside the old ones, then in place of them."""
    await it.services("new-1")
    await it.step("services: one new beside two old")
    await it.fleet.kill("task_svc-old-1")
    await it.step("an old task_svc is killed")
    await it.no_services("old-1")
    await it.services("new-2")
    await it.step("services: two new, one old")
    await it.no_services("old-2")
    await it.step("services: old ones stopped")


async def new_gateways(it: Rehearsal) -> None:
    """Gateways beside the old ones, then in place of them."""
    await it.gateway("new-1")
    await it.step("gateways: one new beside two old")
    await it.no_gateway("old-1")
    await it.gateway("new-2")
    await it.no_gateway("old-2")
    await it.step("gateways: old ones stopped")


async def new_bus(it: Rehearsal) -> None:
    """The accounts of the bus, and the keeper."""
    await it.bus("new", was="$G", becomes="BAZAAR")
    await it.step("bus: moved to its accounts")
    await it.fleet.start(it.tables["new-1"]["keeper"])
    await it.step("keeper")


async def back(it: Rehearsal) -> None:
    """The same steps, the last one first."""
    await it.callers.answered()  # What new gateways began, those of before refuse to repeat.
    for n in ("1", "2"):
        await it.gateway(f"old-{n}")
        await it.no_gateway(f"new-{n}")
    await it.step("back: gateways of before")
    for n in ("1", "2"):
        await it.services(f"old-{n}")
        await it.no_services(f"new-{n}")
    await it.step("back: services of before")
    await it.fleet.stop("keeper")
    await it.bus("old", was="BAZAAR", becomes="$G")
    await it.step("back: the bus of before")


@contextmanager
def releases(what: str, folder: Path, *, own_environment: bool) -> Iterator[list[Release]]:
    """The older release, and this checkout."""
    old = checkout(what, folder / "old", own_environment=own_environment)
    try:
        yield [old, Release("new", PROJECT, sys.executable)]
    finally:
        drop(old)


def tables(folder: Path, known: list[Release], dsn: str) -> dict[str, dict[str, Process]]:
    """Two replicas of each release, on ports of their own and one folder of data."""
    shared: dict[str, object] = {name: free_port() for name in OF_ALL}
    shared |= {f"{name.upper()}_URL": f"http://localhost:{free_port()}" for name in AGENTS}
    config = folder / "home/nats/server.conf"
    found = {}
    for release in known:
        for replica in ("1", "2"):
            own = {name: free_port() for name in OF_EACH}
            env = settings(folder / "home", shared | own, DATABASE_URL=dsn, AUTH_MODE="token")
            found[f"{release.name}-{replica}"] = release.table(env)
        config.rename(config.with_name(f"{release.name}.conf"))
    use_configuration(config, "old")
    return found


def use_configuration(config: Path, release: str) -> None:
    """Have the bus started with the users of a release from now on."""
    shutil.copyfile(config.with_name(f"{release}.conf"), config)


def new_key(folder: Path, gateway: Process) -> str:
    """An API key of the account, with its wallet."""
    scopes = ("--scopes", "read,write,admin", "--grant", str(GRANT))
    tool = by_admin(folder, gateway, "gateway.keytool", "make", ACCOUNT, *scopes)
    made = subprocess.run(
        tool.argv, cwd=tool.cwd, env=tool.env, capture_output=True, text=True, check=True
    )
    return made.stdout.strip()


async def rehearse(folder: Path, known: list[Release], options: argparse.Namespace) -> None:
    """Start the older release, replace it under load, and add up."""
    (folder / "home").mkdir()
    (folder / "logs").mkdir()
    port = free_port()
    password = home.passwords(folder / "home")["postgres"]
    database = postgres.process(folder / "home", port, password)
    dsn = postgres.dsn(port, password)
    all_ = tables(folder, known, dsn)
    old = all_["old-1"]
    monitor = str(old["nats"].ready).removesuffix("/healthz")
    fleet = Fleet(folder / "logs")
    try:
        if database.prepare is not None:
            await asyncio.to_thread(database.prepare)
        await fleet.start(database, old["nats"], *(old[agent] for agent in AGENTS))
        for name in ("provision", "migrate", "topology"):
            await fleet.do(old[name])
        async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as http:
            it = Rehearsal(
                fleet, Callers(http, []), all_, folder / "home/nats/jetstream", options.seconds
            )
            for which in ("old-1", "old-2"):
                await it.services(which)
                await it.gateway(which)
            key = await asyncio.to_thread(new_key, folder, old["gateway"])
            http.headers["Authorization"] = f"Bearer {key}"
            calling = asyncio.create_task(it.callers.run(CALLERS))
            try:
                await steps(
                    it, by_admin(folder, all_["new-1"]["gateway"], "chassis.topology"), options
                )
            finally:
                it.callers.stopping = True
                await calling
            http.base_url = httpx.URL(it.callers.gateways[0])
            print(await add_up(http, it.callers.asked, GRANT, dsn, monitor))
            print(await it.callers.followed())
    finally:
        await fleet.end()


async def steps(it: Rehearsal, topology: Process, options: argparse.Namespace) -> None:
    """All steps, with what was felt."""
    print(f"{'':<52} {'done':>5} {'slowest':>10} {'silent':>10}   answers to all tries")
    await it.step("before")
    await it.database()
    await it.fleet.do(topology)
    await it.step("database: owners and tables")
    await new_bus(
        it
    )  # That of the older release lets nobody ask what only the newer one can answer.
    await new_services(it)
    await new_gateways(it)
    await it.fleet.kill("payment_svc-new-1")
    await it.step("a new payment_svc is killed")
    await it.fleet.start(it.one("new-1", "payment_svc"))
    await it.step("after")
    if options.back:
        await back(it)


def main() -> int:
    """Rehearse, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("old", help="the older release: a tag or commit of this project")
    parser.add_argument("--back", action="store_true", help="go all steps back again")
    parser.add_argument("--seconds", type=float, default=5, help="between two steps")
    parser.add_argument("--keep-logs", type=Path, help="where logs go when it fails")
    parser.add_argument("--venv", action="store_true", help="the older release's own packages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bazaar-upgrade-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL does not run as root.
        with releases(options.old, folder, own_environment=options.venv) as known:
            try:
                asyncio.run(rehearse(folder, known, options))
            except Exception:
                if options.keep_logs:
                    shutil.copytree(folder / "logs", options.keep_logs, dirs_exist_ok=True)
                raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
