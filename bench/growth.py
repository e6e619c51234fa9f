"""How much a paid call leaves behind in each store, and what so many calls a second need.

    python -m bench.growth [--calls 2000] [--rate 10]

Starts AgentBazaar as `make up` does, calls an agent that answers at once, each call with an
`Idempotency-Key`, and compares the sizes of tables, streams and logs before and after.
"""

import argparse
import asyncio
import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx

from bench.systems import admin_dsn, marketplace, register
from bench.wire import instant_agent
from chassis.handling.inbox import KEPT_DAYS
from contracts.topology import BUCKETS, DAY_S, STREAMS
from deploy.local.ports import free_port

PATH = "/api/invoke-agent"
BODY = {"agentId": "instant", "payload": {"text": "hello"}}
CALLERS = 8
WARM = 200
"""Calls before the first look: first pages of tables and blocks of streams are nobody's."""
MIB = 1024**2

TABLES = """
    SELECT n.nspname || '.' || c.relname AS name, pg_total_relation_size(c.oid) AS bytes
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname IN ('registry', 'task', 'payment', 'chat')
"""
KEPT_S: dict[str, int | None] = {
    **{stream.name: stream.max_age_s or None for stream in STREAMS},
    **{bucket.stream: bucket.max_age_s or None for bucket in BUCKETS},
}


class Store(NamedTuple):
    """Something that grows: its bytes, and how long what is in it stays (None: for ever)."""

    bytes: int
    kept_s: int | None


def _kept_s(table: str) -> int | None:
    if table.endswith("_outbox"):
        return 0  # Its room is used again.
    return KEPT_DAYS * DAY_S if table.endswith(".inbox") else None


class Stores:
    """All that grows in a marketplace."""

    def __init__(self, env: dict[str, str]) -> None:
        """Of the marketplace with this environment."""
        self._home = Path(env["BAZAAR_HOME"])
        self._monitor = f"http://127.0.0.1:{env['NATS_MONITOR_PORT']}/jsz?accounts=1&streams=1"
        self._admin = admin_dsn(env)

    async def sizes(self) -> dict[str, Store]:
        """The size of each, by name."""
        found: dict[str, Store] = {}
        conn = await asyncpg.connect(self._admin)
        try:
            await conn.execute("CHECKPOINT")
            wal = await conn.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
            for row in await conn.fetch(TABLES):
                found[row["name"]] = Store(int(row["bytes"]), _kept_s(row["name"]))
        finally:
            await conn.close()
        found["(write-ahead log)"] = Store(int(wal), 0)
        async with httpx.AsyncClient() as http:
            told = (await http.get(self._monitor)).json()
        for account in told["account_details"]:
            for stream in account.get("stream_detail", []):
                kept_s = KEPT_S[stream["name"]]
                found[stream["name"]] = Store(int(stream["state"]["bytes"]), kept_s)
        logs = sum(path.stat().st_size for path in (self._home / "logs").iterdir())
        found["(logs)"] = Store(logs, 0)
        return found


async def call(gateway_port: str, calls: int) -> float:
    """So many paid calls; how many a second that was."""
    begun = time.perf_counter()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway_port}", timeout=60) as http:

        async def caller() -> None:
            for _ in range(calls // CALLERS):
                answer = await http.post(
                    PATH, json=BODY, headers={"Idempotency-Key": uuid.uuid4().hex}
                )
                assert answer.status_code == httpx.codes.OK, answer.text

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return calls / (time.perf_counter() - begun)


def show(before: dict[str, Store], after: dict[str, Store], calls: int, rate: float) -> None:
    """Print what a call leaves in each store, and what `rate` calls a second need there."""
    print(f"{'store':<36} {'bytes a call':>12} {'kept':>9}   at {rate:g} calls a second")
    for name, (now, kept_s) in sorted(after.items()):
        each = (now - before.get(name, Store(0, None)).bytes) / calls
        if each < 1:
            continue
        kept = "for ever" if kept_s is None else f"{kept_s / DAY_S:g} days" if kept_s else "-"
        per_s = each * rate
        if kept_s:
            full = f"{per_s * kept_s / MIB:10,.0f} MiB in all"
        elif kept_s is None:
            full = f"{per_s * DAY_S / MIB:10,.0f} MiB more a day"
        else:
            full = ""
        print(f"{name:<36} {each:12,.0f} {kept:>9}   {full}")


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=10)
    options = parser.parse_args()
    agent_port = free_port()
    agent = await instant_agent(agent_port)
    with tempfile.TemporaryDirectory(prefix="bazaar-bench-") as folder:
        await asyncio.to_thread(os.chmod, folder, 0o755)
        with marketplace(Path(folder) / "home") as env:
            await register(env, {"id": "instant", "endpointUrl": f"http://127.0.0.1:{agent_port}"})
            await call(env["GATEWAY_PORT"], WARM)
            await asyncio.sleep(10)
            stores = Stores(env)
            before = await stores.sizes()
            per_s = await call(env["GATEWAY_PORT"], options.calls)
            await asyncio.sleep(10)  # What lags behind an answer has come by then.
            print(f"{options.calls} calls, {per_s:.0f} a second")
            show(before, await stores.sizes(), options.calls // CALLERS * CALLERS, options.rate)
    agent.close()


if __name__ == "__main__":
    asyncio.run(main())
