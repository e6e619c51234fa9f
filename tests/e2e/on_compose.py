"""A system of the tests' own on docker compose, as `docker compose up --build --wait` starts it."""

import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testcontainers.compose import DockerCompose

from contracts.users import ADMIN, CONTEXTS, USERS, variable
from deploy.local.nats import url
from deploy.local.ports import free_port
from deploy.local.settings import AGENTS, PROJECT
from deploy.passwords import wanted
from tests.e2e.powers import Left
from tests.e2e.system import System
from tests.support.polling import insist

FILES = ["docker-compose.yml", "tests/compose/for_tests.yml"]
COMMAND_S = 300.0
ANSWER_S = 20.0
TERMINATED = 128 + signal.SIGTERM
CRASH = "kill -9 $(cat /proc/1/task/1/children)"
"""In a container, whose first process is an init: what that runs ends, and so the container."""


def engine_answers() -> bool:
    """Whether there is an engine, and compose."""
    if shutil.which("docker") is None:
        return False
    try:
        for asked in ("info", "compose version"):
            _run(["docker", *asked.split()], ANSWER_S)
    except (AssertionError, subprocess.SubprocessError, OSError):
        return False
    return True


@dataclass
class ComposePowers:
    """A compose project, its variables, and power over its containers."""

    project: DockerCompose
    env: dict[str, str]

    def system(self) -> System:
        """Where it answers; services find agents of the tests on this machine."""
        return System(
            base_url=f"http://127.0.0.1:{self.env['GATEWAY_PORT']}",
            nats_url=url(int(self.env["NATS_PORT"]), ADMIN, self.secrets()[f"nats_{ADMIN}"]),
            agent_host="host.docker.internal",
        )

    async def start(self) -> None:
        """Build, start, and wait until all of it is healthy."""
        await asyncio.to_thread(self.project.start)

    async def is_up(self) -> None:
        """`start` has seen to that."""

    async def stop(self) -> None:
        """Stop every container; services have to end by themselves, and well."""
        await asyncio.to_thread(self.project.stop, down=False)
        ends = {one["Service"]: one["ExitCode"] for one in await self._containers("--all")}
        ours = ("gateway", *(f"{context}_svc" for context in CONTEXTS))
        # The gateway's server ends by the signal that it was told to end by.
        assert {name: ends[name] for name in ours if ends[name] not in (0, TERMINATED)} == {}

    def watch(self) -> Left:
        """Remember the containers."""
        ids = self._docker("ps", "--quiet", "--no-trunc", *self._of_project()).split()
        assert len(ids) > len(AGENTS) + len(CONTEXTS)

        def left() -> list[str]:
            running = self._docker("ps", "--quiet", "--no-trunc", *self._of_project()).split()
            return [one for one in running if one in ids]

        return left

    async def kill(self, name: str) -> None:
        """SIGKILL to what runs in the container; the engine starts the container again."""
        await self._crash((await self._one(name))["ID"])

    async def replace(self, name: str) -> None:
        """Another container in its place, as a new release comes."""
        first, *others = await self._named(name)
        if others:
            await asyncio.to_thread(self._docker, "stop", first["ID"])
            await asyncio.to_thread(self._docker, "rm", first["ID"])
            await self._scale(name, 1 + len(others))
        else:
            await self._compose("up", "--detach", "--no-deps", "--force-recreate", name)

    @asynccontextmanager
    async def second(self, context: str) -> "AsyncIterator[ComposeReplica]":
        """The service scaled to two."""
        name = f"{context}_svc"
        await self._scale(name, 2)
        yield ComposeReplica(self, (await self._named(name))[-1]["ID"])
        await self._scale(name, 1)

    def dsn(self, context: str) -> str:
        """The database, as the role of a service; as its administrator for `postgres`."""
        role = context if context == "postgres" else f"bazaar_{context}"
        place = f"127.0.0.1:{self.env['POSTGRES_PORT']}/bazaar"
        return f"postgresql://{role}:{self.secrets()[context]}@{place}"

    def secrets(self) -> dict[str, str]:
        """The passwords: by role of the database, and as `nats_<user>` by user of the bus."""
        found = {context: self.env[f"{context.upper()}_DB_PASSWORD"] for context in CONTEXTS}
        found |= {
            f"{context}_owner": self.env[f"{context.upper()}_OWNER_DB_PASSWORD"]
            for context in CONTEXTS
        }
        bus = {f"nats_{user}": self.env[variable(user)] for user in USERS}
        return found | bus | {"postgres": self.env["POSTGRES_PASSWORD"]}

    def logs(self) -> dict[str, bytes]:
        """The logs of all containers, also of those that are done."""
        names = self._docker(
            "ps",
            "--all",
            "--format",
            '{{.Label "com.docker.compose.service"}}',
            *self._of_project(),
        )
        return {name: "".join(self.project.get_logs(name)).encode() for name in names.split()}

    async def _scale(self, name: str, replicas: int) -> None:
        await self._compose(
            "up", "--detach", "--no-deps", "--no-recreate", "--wait", "--scale",
            f"{name}={replicas}", name,
        )  # fmt: skip

    async def _crash(self, container: str) -> None:
        before = await self._restarts(container)
        # The container ends under this command, so its exit code says nothing.
        subprocess_ = await asyncio.create_subprocess_exec(
            "docker", "exec", container, "sh", "-c", CRASH,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await subprocess_.wait()

        async def restarted() -> bool:
            return await self._restarts(container) > before

        await insist(restarted)

    async def _restarts(self, container: str) -> int:
        asked = ("inspect", "--format", "{{.RestartCount}}", container)
        return int(await asyncio.to_thread(self._docker, *asked))

    async def _one(self, name: str) -> dict[str, Any]:
        return (await self._named(name))[0]

    async def _named(self, name: str) -> list[dict[str, Any]]:
        """The containers of a service, the first first."""
        found = [one for one in await self._containers() if one["Service"] == name]
        assert found, f"there is no {name}"
        return sorted(found, key=lambda one: int(re.findall(r"\d+$", one["Name"])[0]))

    async def _containers(self, *options: str) -> list[dict[str, Any]]:
        said = await self._compose("ps", "--format", "json", *options)
        return [json.loads(line) for line in said.splitlines() if line]

    async def _compose(self, *command: str) -> str:
        return await asyncio.to_thread(_run, [*self.project.docker_compose_command(), *command])

    def _docker(self, *command: str) -> str:
        return _run(["docker", *command])

    def _of_project(self) -> list[str]:
        return ["--filter", f"label=com.docker.compose.project={self.env['COMPOSE_PROJECT_NAME']}"]


@dataclass
class ComposeReplica:
    """A second container of a service."""

    powers: ComposePowers
    container: str

    async def kill(self) -> None:
        """End it as a crash would."""
        await self.powers._crash(self.container)


def _run(command: list[str], within_s: float = COMMAND_S) -> str:
    done = subprocess.run(  # noqa: S603  (commands of this file)
        command, cwd=PROJECT, capture_output=True, text=True, timeout=within_s, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@asynccontextmanager
async def compose(**env: str) -> AsyncIterator[ComposePowers]:
    """A project that runs, with ports, volumes and passwords of its own; gone in the end."""
    with tempfile.TemporaryDirectory(prefix="bazaar-compose-") as name:
        variables = _environment() | env
        env_file = Path(name) / "env"
        await asyncio.to_thread(
            env_file.write_text, "".join(f"{key}={value}\n" for key, value in variables.items())
        )
        # What the environment says would go before the file: no key, no address of somebody else's.
        for key in re.findall(r"^(\w+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE):
            os.environ.pop(key, None)
        project = DockerCompose(PROJECT, FILES, build=True, env_file=str(env_file))
        powers = ComposePowers(project, variables)
        try:
            await powers.start()
            yield powers
        finally:
            await asyncio.to_thread(project.stop)


def _environment() -> dict[str, str]:
    ports = ("GATEWAY_PORT", "NATS_PORT", "NATS_MONITOR_PORT", "POSTGRES_PORT")
    passwords = wanted((PROJECT / "docker-compose.yml").read_text())
    return {
        "COMPOSE_PROJECT_NAME": "bazaar-e2e",
        "TAG": "e2e",
        "SEARCH_ENGINE": "local",
        **{name: str(free_port()) for name in ports},
        **{name: secrets.token_urlsafe(24) for name in passwords},
    }
