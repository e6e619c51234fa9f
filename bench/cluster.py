"""A cluster on one machine: three NATS servers, and a PostgreSQL with a standby.

Every message is kept by three servers, and a commit waits until the standby has it on its disk, so
that nothing that was acknowledged is lost with one of them. The standby is promoted as whoever
looks after servers does: when the primary has been silent for a while and cannot come back.
"""

import asyncio
import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import asyncpg

from bench.releases import Fleet
from bench.system import System, gateways, monitor, processes, run
from deploy.local import home, nats, postgres
from deploy.local.ports import free_port
from deploy.local.process import Process

SERVERS = ("nats-1", "nats-2", "nats-3")
PRIMARY, STANDBY = "postgres_primary", "postgres_standby"
NOTICED_S = 5.0
"""How long a primary is silent before its standby is promoted."""
COPIED_S = 120
PROMOTED_S = 30
FOLLOWS = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"


def bus(folder: Path, passwords: Mapping[str, str]) -> tuple[dict[str, Process], list[int]]:
    """Three servers by name, each with a folder of its own, and where clients connect to them."""
    routes = {name: free_port() for name in SERVERS}
    all_ = ", ".join(f"nats://127.0.0.1:{port}" for port in routes.values())
    found: dict[str, Process] = {}
    ports = []
    for name, route in routes.items():
        (folder / name).mkdir()
        ports.append(free_port())
        server = nats.process(folder / name, ports[-1], free_port(), passwords)
        with Path(server.argv[-1]).open("a") as config:
            config.write(
                f"server_name: {name}\n"
                f"cluster {{ name: bazaar, listen: 127.0.0.1:{route}, routes: [{all_}] }}\n"
            )
        found[name] = replace(server, name=name)
    return found, ports


def on_all(one: Process, ports: list[int]) -> Process:
    """A process as it runs with all servers of the bus, and asks none of them how it is."""
    env = {name: value for name, value in one.env.items() if name != "NATS_MONITOR_URL"}
    if login := env.get("NATS_URL", "").rpartition("@")[0]:
        env["NATS_URL"] = ",".join(f"{login}@127.0.0.1:{port}" for port in ports)
    return replace(one, env=env)


class Pair:
    """Two PostgreSQL servers: one is written to, the other follows it.

    Attributes:
        primary, standby: what runs.
        dsn: of the administrator, at whichever of the two takes writes.
    """

    def __init__(self, folder: Path, password: str) -> None:
        """Nothing is started yet."""
        (folder / PRIMARY).mkdir()
        (folder / STANDBY).mkdir()
        port, other = free_port(), free_port()
        self.primary = replace(postgres.process(folder / PRIMARY, port, password), name=PRIMARY)
        self.standby = replace(postgres.process(folder / STANDBY, other, password), name=STANDBY)
        self._first, self._second = (postgres.dsn(one, password) for one in (port, other))
        hosts = f"127.0.0.1:{port},127.0.0.1:{other}"
        both = self._first.replace(f"127.0.0.1:{port}", hosts)
        self.dsn = f"{both}?target_session_attrs=read-write"
        self._copy = folder / STANDBY / "postgres"

    def copy(self) -> None:
        """Make the standby's folder from the running primary."""
        user, group = self.primary.run_as or (None, None)
        self._copy.mkdir(mode=0o700)
        if self.primary.run_as is not None:
            os.chown(self._copy, *self.primary.run_as)
        program = Path(self.primary.argv[0]).with_name("pg_basebackup")
        subprocess.run(
            [
                *(program, "--pgdata", self._copy, "--dbname", self._first),
                *("--write-recovery-conf", "--checkpoint=fast"),
            ],
            check=True,
            timeout=COPIED_S,
            env=self.primary.env,
            cwd="/",
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )

    async def bind(self) -> None:
        """Have each commit wait for the standby's disk from now on."""
        conn = await asyncpg.connect(self._first)
        try:
            async with asyncio.timeout(COPIED_S):
                while not await conn.fetchval(FOLLOWS):  # noqa: ASYNC110  (a server tells nobody that it caught up)
                    await asyncio.sleep(0.1)
            # `synchronous_commit` is on unless somebody says otherwise.
            await conn.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            await conn.execute("SELECT pg_reload_conf()")
        finally:
            await conn.close()

    async def promote(self) -> None:
        """The primary is gone: have the standby take its place."""
        await asyncio.sleep(NOTICED_S)
        conn = await asyncpg.connect(self._second)
        try:
            assert await conn.fetchval("SELECT pg_promote(true, $1)", PROMOTED_S)
        finally:
            await conn.close()


async def clustered(fleet: Fleet, folder: Path) -> System:
    """This checkout on three NATS servers, and a PostgreSQL with a standby."""
    passwords = home.passwords(folder / "home")
    pair = Pair(folder, passwords["postgres"])
    servers, ports = bus(folder, passwords)
    known, once = processes(folder, pair.dsn, STREAM_REPLICAS=str(len(servers)))
    del known["nats"]
    known = {name: on_all(one, ports) for name, one in known.items()} | servers
    for one in (pair.primary, *servers.values()):
        if one.prepare is not None:
            await asyncio.to_thread(one.prepare)
    await fleet.start(pair.primary, *servers.values())
    await asyncio.to_thread(pair.copy)
    await fleet.start(pair.standby)
    await pair.bind()
    await run(fleet, known, once)
    return System(
        {**known, PRIMARY: pair.primary, STANDBY: pair.standby},
        gateways(known),
        pair.dsn,
        [monitor(one) for one in servers.values()],
        {PRIMARY: pair.promote},
    )
