"""A system of the tests' own under the local runner, as `make up` starts it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from contracts.users import ADMIN, CONTEXTS
from deploy.local.forks import command
from deploy.local.nats import url
from deploy.local.ports import free_port
from deploy.local.settings import AGENTS, PROJECT, Settings
from tests.e2e.powers import Left
from tests.e2e.system import System
from tests.support.polling import insist
from tests.support.processes import ServiceProcess, process

START_S = 110.0
STOP_S = 60.0
PORTS = tuple(name.upper() for name in Settings.model_fields if name.endswith("_port"))
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")
"""What the system gets of the tests' environment: no key, no address of somebody else's."""


@dataclass
class LocalPowers:
    """A local runner, its home, and power over the processes that it runs."""

    home: Path
    env: Mapping[str, str]
    runner: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def system(self) -> System:
        """Where it answers."""
        return System(
            base_url=f"http://127.0.0.1:{self.env['GATEWAY_PORT']}",
            nats_url=url(int(self.env["NATS_PORT"]), ADMIN, self.secrets()[f"nats_{ADMIN}"]),
        )

    async def start(self) -> None:
        """Run `up`; see `is_up`."""
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        with self._output.open("wb") as output:
            self.runner = subprocess.Popen(
                [sys.executable, "-m", "deploy.local", "up"],
                cwd=PROJECT,
                env=self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    async def is_up(self) -> None:
        """Wait until the runner says so."""

        async def said() -> bool:
            if self._running.poll() is not None:
                raise RuntimeError(self.said())
            return "AgentBazaar is up: " in self.said()

        await insist(said, START_S)

    async def stop(self) -> None:
        """SIGTERM; the runner has to end well."""
        self._running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(self._running.wait, STOP_S) == 0, self.said()

    def said(self) -> str:
        """What the runner has said since it was started."""
        return self._output.read_text()

    def watch(self) -> Left:
        """Remember the runner and everything that it started."""
        runner = psutil.Process(self._running.pid)
        processes = [runner, *runner.children(recursive=True)]
        assert len(processes) > len(AGENTS) + len(CONTEXTS)
        return lambda: [repr(process) for process in processes if not _is_dead(process)]

    def _process(self, name: str) -> psutil.Process:
        for child in psutil.Process(self._running.pid).children(recursive=True):
            try:
                if child.status() != psutil.STATUS_ZOMBIE and _is(name, command(child)):
                    return child
            except psutil.NoSuchProcess:
                continue
        raise AssertionError(f"there is no {name}")

    async def kill(self, name: str) -> None:
        """SIGKILL."""
        await self._end(name, signal.SIGKILL)

    async def replace(self, name: str) -> None:
        """SIGTERM; the runner starts the next one."""
        await self._end(name, signal.SIGTERM)

    async def _end(self, name: str, how: signal.Signals) -> None:
        victim = self._process(name)
        victim.send_signal(how)

        async def dead() -> bool:
            return _is_dead(victim)

        await insist(dead)

    @asynccontextmanager
    async def second(self, context: str) -> "AsyncIterator[LocalReplica]":
        """A second process of a service, started by hand beside the runner's."""
        urls = {name: value for name, value in self.env.items() if name.endswith("_URL")}
        async with process(
            f"{context}_svc",
            **urls,
            AGENT_HOSTS="localhost,127.0.0.1",
            DATABASE_URL=self.dsn(context),
            NATS_URL=url(int(self.env["NATS_PORT"]), context, self.secrets()[f"nats_{context}"]),
        ) as replica:
            await insist(replica.is_ready)
            yield LocalReplica(replica)

    def secrets(self) -> dict[str, str]:
        """The generated passwords, by role."""
        found: dict[str, str] = json.loads((self.home / "secrets.json").read_text())
        return found

    def dsn(self, context: str) -> str:
        """The database, as the role of a service; as its administrator for `postgres`."""
        role = context if context == "postgres" else f"bazaar_{context}"
        place = f"127.0.0.1:{self.env['POSTGRES_PORT']}/bazaar"
        return f"postgresql://{role}:{self.secrets()[context]}@{place}"

    def logs(self) -> dict[str, bytes]:
        """The logs of all processes, and what the runner said."""
        logs = {log.stem: log.read_bytes() for log in sorted((self.home / "logs").iterdir())}
        return logs | {"up": self._output.read_bytes()}

    @property
    def _output(self) -> Path:
        return self.home.with_name("up.log")

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        assert self.runner is not None
        return self.runner


@dataclass
class LocalReplica:
    """A second process of a service."""

    process: ServiceProcess

    async def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()


def _is_dead(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # Between the two questions.
        return True


def _is(name: str, argv: list[str]) -> bool:
    """Whether a command line is that of a process of the runner's table."""
    if name in {"nats", "postgres"}:
        return Path(argv[0]).name in {"nats-server", "postgres"} and name in Path(argv[0]).name
    module = argv[argv.index("-m") + 1 :] if "-m" in argv else []
    return module[:1] == [name] or module[:2] == ["agents", name]


@asynccontextmanager
async def local(**env: str) -> AsyncIterator[LocalPowers]:
    """A runner that was told to start, with ports and a home of its own; stopped in the end."""
    with tempfile.TemporaryDirectory(prefix="bazaar-e2e-") as name:
        folder = Path(name)
        # The embedded PostgreSQL may run as another user.
        await asyncio.to_thread(folder.chmod, 0o755)
        powers = LocalPowers(folder / "home", _environment(folder / "home") | env)
        await powers.start()
        try:
            yield powers
        finally:
            if powers.runner is not None and powers.runner.poll() is None:
                await powers.stop()


def _environment(home: Path) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        **{name: str(free_port()) for name in PORTS},
        **{f"{name.upper()}_URL": f"http://127.0.0.1:{free_port()}" for name in AGENTS},
        "BAZAAR_HOME": str(home),
        "SEARCH_ENGINE": "local",
    }
