"""This checkout as separate processes: two gateways, two replicas of each service, their stores."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.releases import Fleet, Release, settings
from bench.upgrade import OF_ALL, OF_EACH
from contracts.users import CONTEXTS
from deploy.local import home, postgres
from deploy.local.ports import free_port
from deploy.local.process import Process
from deploy.local.settings import AGENTS, PROJECT

REPLICAS = ("1", "2")


@dataclass
class System:
    """What runs, and where it is asked.

    Attributes:
        processes: by name.
        gateways: their addresses.
        dsn: of the database's administrator.
        monitors: URLs of the NATS servers' monitoring.
        lose: by name, what is done when a process is lost for good.
    """

    processes: dict[str, Process]
    gateways: list[str]
    dsn: str
    monitors: list[str]
    lose: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)


def processes(folder: Path, dsn: str, **more: str) -> tuple[dict[str, Process], list[Process]]:
    """All but PostgreSQL by name, on ports of their own; and apart what runs once."""
    release = Release("new", PROJECT, sys.executable)
    shared: dict[str, object] = {name: free_port() for name in OF_ALL}
    shared |= {f"{name.upper()}_URL": f"http://localhost:{free_port()}" for name in AGENTS}
    found: dict[str, Process] = {}
    for replica in REPLICAS:
        own = {name: free_port() for name in OF_EACH}
        env = settings(folder / "home", shared | own, DATABASE_URL=dsn, AUTH_MODE="token", **more)
        table = release.table(env)
        for name in ("gateway", *(f"{context}_svc" for context in CONTEXTS)):
            found[f"{name}-{replica}"] = replace(table.pop(name), name=f"{name}-{replica}")
        found |= table  # One server, one keeper, one agent of each kind.
    once = [found.pop(name) for name in ("provision", "migrate")]
    return found, once


def gateways(known: dict[str, Process]) -> list[str]:
    """Where callers ask."""
    return [f"http://127.0.0.1:{known[f'gateway-{n}'].env['PORT']}" for n in REPLICAS]


def monitor(server: Process) -> str:
    """Where a NATS server tells of itself."""
    return str(server.ready).removesuffix("/healthz")


async def run(fleet: Fleet, known: dict[str, Process], once: list[Process]) -> None:
    """Start all that is not running yet, beside stores that are."""
    for one in once:
        await fleet.do(one)
    await fleet.start(known["keeper"])
    await fleet.start(*(one for name, one in known.items() if name not in fleet.running))


async def alone(fleet: Fleet, folder: Path) -> System:
    """With one PostgreSQL and one NATS."""
    port, password = free_port(), home.passwords(folder / "home")["postgres"]
    database = postgres.process(folder / "home", port, password)
    dsn = postgres.dsn(port, password)
    known, once = processes(folder, dsn)
    if database.prepare is not None:
        await asyncio.to_thread(database.prepare)
    await fleet.start(database, known["nats"])
    await run(fleet, known, once)
    return System({**known, "postgres": database}, gateways(known), dsn, [monitor(known["nats"])])
