"""POST /api/invoke-agent: the whole marketplace against one plain process, side by side.

    python -m bench.invoke [--rounds 5] [--calls 100]

Starts AgentBazaar as `make up` does (real PostgreSQL, NATS, five services) and the plain server of
bench/plain_server.py on the same PostgreSQL, and calls both in turn against an agent that answers
at once. Prints medians, throughput with 16 callers, their ratios, the time from `up` to ready, and
the memory of all processes together. Ratios are what counts: both run in the same minute.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import nats
import psutil

from bench.wire import caller, instant_agent
from contracts.permissions import ADMIN
from contracts.registry import REGISTER_AGENT
from deploy.local import home, postgres
from deploy.local.ports import free_port

PATH = "/api/invoke-agent"
BODY: dict[str, object] = {"agentId": "instant", "payload": {"text": "hello"}}
CALLERS = 16
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
AGENTS = ["SUMMARIZER", "TRANSLATOR", "SEARCH", "MOCK_BUSY", "MOCK_HIGHPRICE", "MOCK_NEGOTIATOR"]


@contextmanager
def marketplace(folder: Path) -> Iterator[dict[str, str]]:
    """AgentBazaar as `make up` starts it, on free ports; yields its environment."""
    env = {name: str(free_port()) for name in PORTS}
    env |= {f"{name}_URL": f"http://localhost:{free_port()}" for name in AGENTS}
    env |= {"BAZAAR_HOME": str(folder), "WALLET_GRANT": "1000000"}
    began = time.monotonic()
    runner = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "up"],
        env=os.environ | env,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert runner.stdout is not None
    for line in runner.stdout:
        if "is up" in line:
            break
    else:
        raise RuntimeError("AgentBazaar did not come up")
    env |= {"UP_S": f"{time.monotonic() - began:.1f}", "PID": str(runner.pid)}
    try:
        yield env
    finally:
        runner.terminate()
        runner.wait(30)


@contextmanager
def plain(env: dict[str, str], agent_url: str) -> Iterator[int]:
    """The plain server, on the marketplace's PostgreSQL; yields its port."""
    port = free_port()
    password = home.passwords(Path(env["BAZAAR_HOME"]))["postgres"]
    admin = postgres.dsn(int(env["POSTGRES_PORT"]), password)
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.plain_server"],
        env=os.environ
        | {
            "PORT": str(port),
            "AGENT_URL": agent_url,
            "DATABASE_URL": admin,
        },
    )
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/docs")
                break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(10)


async def register(env: dict[str, str], *listings: dict[str, object]) -> None:
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


async def throughput(port: int, calls: int) -> float:
    """Calls a second with 16 callers."""
    began = time.perf_counter()
    await asyncio.gather(*(caller(port, PATH, BODY, calls // CALLERS) for _ in range(CALLERS)))
    return (calls // CALLERS * CALLERS) / (time.perf_counter() - began)


def memory_mib(runner_pid: int) -> float:
    """Memory of the runner and all it started, shared pages counted once (PSS), in MiB."""
    runner = psutil.Process(runner_pid)
    found = [runner, *runner.children(recursive=True)]
    return sum(p.memory_full_info().pss for p in found) / 2**20


def row(name: str, ours: list[float], theirs: list[float], unit: str, scale: float = 1) -> None:
    """Print medians and the median of the ratios pair by pair."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    a, b = statistics.median(ours) * scale, statistics.median(theirs) * scale
    print(f"{name:<26} {a:9.2f} {b:9.2f} {unit:<6} ratio {ratio:.2f}")


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=100)
    options = parser.parse_args()
    agent_port = free_port()
    agent = await instant_agent(agent_port)
    agent_url = f"http://127.0.0.1:{agent_port}"
    with tempfile.TemporaryDirectory(prefix="bazaar-bench-") as folder:
        await asyncio.to_thread(os.chmod, folder, 0o755)
        with marketplace(Path(folder) / "home") as env, plain(env, agent_url) as plain_port:
            await register(env, {"id": "instant", "endpointUrl": agent_url})
            ports = (int(env["GATEWAY_PORT"]), plain_port)
            for port in ports:
                await caller(port, PATH, BODY, 50)
                await throughput(port, 160)
            one: tuple[list[float], list[float]] = ([], [])
            many: tuple[list[float], list[float]] = ([], [])
            for _ in range(options.rounds):
                for port, found in zip(ports, one, strict=True):
                    found.append(statistics.median(await caller(port, PATH, BODY, options.calls)))
                    await asyncio.sleep(0.3)
                for port, rates in zip(ports, many, strict=True):
                    rates.append(await throughput(port, options.calls * 4))
                    await asyncio.sleep(1)
            print(f"{'':<26} {'bazaar':>9} {'plain':>9}")
            row("one caller, median", *one, "ms", 1000)
            row("16 callers, throughput", *many, "/s")
            print(f"from `up` to ready: {env['UP_S']} s")
            print(f"all processes together: {memory_mib(int(env['PID'])):.0f} MiB")
    agent.close()


if __name__ == "__main__":
    asyncio.run(main())
