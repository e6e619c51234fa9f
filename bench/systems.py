"""The systems that are measured side by side, each as processes of its own on free ports.

AgentBazaar runs as `make up` runs it: its own PostgreSQL and NATS, as released. The others are what
one would write instead: plain_server.py, dbos_server.py and express_server.mjs.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import nats
import psutil

from bench.releases import Release
from contracts.registry import REGISTER_AGENT
from contracts.users import ADMIN
from deploy.local import home, postgres
from deploy.local.embedded import EmbeddedServer
from deploy.local.ports import free_port
from deploy.local.settings import PROJECT

AGENTS = ["SUMMARIZER", "TRANSLATOR", "SEARCH", "MOCK_BUSY", "MOCK_HIGHPRICE", "MOCK_NEGOTIATOR"]
PORTS = [
    "GATEWAY_PORT",
    "GATEWAY_METRICS_PORT",
    "NATS_PORT",
    "NATS_MONITOR_PORT",
    "POSTGRES_PORT",
    "REGISTRY_HEALTH_PORT",
    "TASK_HEALTH_PORT",
    "PAYMENT_HEALTH_PORT",
    "CHAT_HEALTH_PORT",
    "KEEPER_HEALTH_PORT",
]
UNLIMITED = {
    "RATE_LIMIT_ADDRESS": "1000000000/minute",
    "RATE_LIMIT_ACCOUNT": "1000000000/minute",
    "WALLET_GRANT": "1000000",
    "ORCHESTRATOR": "rules",
}
START_S, STOP_S = 240.0, 60.0
HERE = Release("this", PROJECT, sys.executable)


@dataclass(frozen=True)
class System:
    """One that answers now, and the processes that began it."""

    name: str
    port: int
    pids: tuple[int, ...]

    def processes(self) -> list[psutil.Process]:
        """All that it consists of at this moment."""
        heads = [psutil.Process(pid) for pid in self.pids]
        return [one for head in heads for one in (head, *head.children(recursive=True))]

    def processor_s(self) -> dict[str, float]:
        """Processor time so far by kind of process, with that of children that ended."""
        found: dict[str, float] = defaultdict(float)
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                ended = times.children_user + times.children_system
                # The runner waits for one-shots of the start; they are no part of a measurement,
                # since only differences are looked at.
                found[_kind(process)] += times.user + times.system + ended
        return found

    def memory_mib(self) -> float:
        """Memory of all together, shared pages counted once (PSS), in MiB."""
        return float(sum(one.memory_full_info().pss for one in self.processes())) / 2**20


def _kind(process: psutil.Process) -> str:
    if (name := process.name()) in {"postgres", "nats-server", "node"}:
        return name
    line = " ".join(process.cmdline()).split()  # A forked process has it in one piece.
    if "-m" in line[:-1]:
        return line[line.index("-m") + 1]
    return Path(line[-1]).name if line else name


@contextmanager
def marketplace(
    folder: Path, release: Release = HERE, settings: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """AgentBazaar as `make up` starts it; yields its environment, with PID and UP_S of the start.

    Args:
        folder: where its data is; what is there from before is kept.
        release: which one.
        settings: beside those that lift limits. Ports and agents are on free ports otherwise.
    """
    env = {name: str(free_port()) for name in PORTS}
    env |= {f"{name}_URL": f"http://localhost:{free_port()}" for name in AGENTS}
    env |= {**UNLIMITED, **(settings or {}), "BAZAAR_HOME": str(folder)}
    began = time.monotonic()
    runner = subprocess.Popen(
        [release.python, "-m", "deploy.local", "up"],
        cwd=release.folder,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | env,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert runner.stdout is not None
    try:
        said = []
        for line in runner.stdout:
            said.append(line)
            if "is up" in line:
                break
        else:
            raise RuntimeError(f"AgentBazaar did not come up:\n{''.join(said)}")
        yield env | {"UP_S": f"{time.monotonic() - began:.2f}", "PID": str(runner.pid)}
    finally:
        runner.terminate()
        runner.wait(STOP_S)


def system(name: str, env: Mapping[str, str]) -> System:
    """A marketplace as one of those that are compared."""
    return System(name, int(env["GATEWAY_PORT"]), (int(env["PID"]),))


def at_instant_agent(port: int) -> dict[str, str]:
    """Settings by which all six agents are one that answers at once, and runs elsewhere."""
    return {"BAZAAR_AGENTS": "none"} | {
        f"{name}_URL": f"http://127.0.0.1:{port}" for name in AGENTS
    }


def admin_dsn(env: Mapping[str, str]) -> str:
    """The administrator's DSN of a marketplace's database."""
    password = home.passwords(Path(env["BAZAAR_HOME"]))["postgres"]
    return postgres.dsn(int(env["POSTGRES_PORT"]), password)


async def register(env: Mapping[str, str], *listings: Mapping[str, object]) -> None:
    """List agents in the marketplace, as its administrator."""
    password = home.passwords(Path(env["BAZAAR_HOME"]))["nats_admin"]
    client = await nats.connect(
        f"nats://127.0.0.1:{env['NATS_PORT']}", user=ADMIN, password=password
    )
    for listing in listings:
        asked = json.dumps(listing).encode()
        reply = await client.request(REGISTER_AGENT.subject, asked, timeout=15)
        assert reply.data, reply.headers
    await client.close()


@contextmanager
def agent(host: str = "127.0.0.1") -> Iterator[int]:
    """An agent that answers at once, as a process of its own; yields its port."""
    port = free_port()
    argv = [sys.executable, "-m", "bench.wire", str(port), host]
    with _running(argv, port, "/health"):
        yield port


@contextmanager
def database(folder: Path) -> Iterator[tuple[str, int]]:
    """A PostgreSQL as the marketplace has one; yields the administrator's DSN, and its process."""
    folder.mkdir(exist_ok=True)
    port, password = free_port(), home.passwords(folder)["postgres"]
    process = postgres.process(folder, port, password)
    server = EmbeddedServer(process, folder, postgres.dsn(port, password))
    asyncio.run(server.start())
    assert server.child is not None
    try:
        yield server.url, server.child.popen.pid
    finally:
        asyncio.run(server.stop())


@contextmanager
def plain(dsn: str, agent_port: int, database_pid: int) -> Iterator[System]:
    """The plain server."""
    port = free_port()
    env = {"DATABASE_URL": dsn, "AGENT_URL": f"http://127.0.0.1:{agent_port}"}
    argv = [sys.executable, "-m", "bench.plain_server"]
    with _running(argv, port, "/api/agents", env) as pid:
        yield System("plain", port, (pid, database_pid))


@contextmanager
def dbos(python: str, dsn: str, agent_port: int, database_pid: int) -> Iterator[System]:
    """The same call as a DBOS workflow; `python` has its packages."""
    port = free_port()
    env = {"DATABASE_URL": dsn, "AGENT_URL": f"http://127.0.0.1:{agent_port}"}
    argv = [python, str(PROJECT / "bench/dbos_server.py")]
    with _running(argv, port, "/openapi.json", env) as pid:
        yield System("DBOS", port, (pid, database_pid))


@contextmanager
def express(folder: Path, agent_port: int) -> Iterator[System]:
    """Express in memory; `folder` has its packages."""
    port = free_port()
    shutil.copy(PROJECT / "bench/express_server.mjs", folder)
    env = {"AGENT_URL": f"http://127.0.0.1:{agent_port}"}
    argv = [shutil.which("node") or "node", str(folder / "express_server.mjs")]
    with _running(argv, port, "/api/agents", env) as pid:
        yield System("Express", port, (pid,))


@contextmanager
def _running(
    argv: list[str], port: int, ready: str, env: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A process that listens on a port, once it answers there; yields its id."""
    server = subprocess.Popen(
        argv,
        cwd=PROJECT,
        env={**os.environ, **(env or {}), "PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_S
        while not _answers(port, ready):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{argv} does not answer")
            time.sleep(0.1)
        yield server.pid
    finally:
        server.terminate()
        server.wait(STOP_S)


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2):
            return True
    except OSError:
        return False
