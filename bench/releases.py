"""Processes of several releases on one machine: each release says itself how it is run.

A release is a checkout. Its own `deploy.local` makes its table of processes, with its own settings,
for one folder of data that all releases share.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from contracts.users import ADMIN
from deploy.local import home
from deploy.local.process import POLL_SECONDS, Child, Process, client, start
from deploy.local.settings import PROJECT

START_S = 90.0
STOP_S = 30.0
ONE_SHOT_S = 120.0
ENDED_WELL = (0, 1, -signal.SIGTERM)
"""NATS ends with 1 when it is told to, and Uvicorn by the signal that told it."""
ASK = """
import json
from deploy.local import home, services
from deploy.local.settings import load
settings = load()
settings.bazaar_home.mkdir(exist_ok=True)
table = services.table(settings, home.passwords(settings.bazaar_home))
print(json.dumps([
    {"name": p.name, "argv": list(p.argv), "env": dict(p.env), "cwd": str(p.cwd),
     "ready": p.ready if isinstance(p.ready, str) else None,
     "module": getattr(p, "module", False)}
    for p in table
]))
"""


@dataclass(frozen=True)
class Release:
    """A checkout, with the Python that runs it."""

    name: str
    folder: Path
    python: str

    def table(self, env: Mapping[str, str]) -> dict[str, Process]:
        """What the release runs with these settings, by name."""
        # The configuration of its NATS server is written, too.
        answer = subprocess.run(
            [self.python, "-c", ASK],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        return {row["name"]: self._process(row) for row in json.loads(answer.stdout)}

    def _process(self, row: dict[str, Any]) -> Process:
        """One of its processes; only modules of this checkout are forked from this process."""
        if row["module"] and self.folder != PROJECT:
            row |= {"argv": [self.python, "-m", *row["argv"]], "module": False}
        return Process(**{**row, "cwd": Path(row["cwd"])})


def checkout(what: str, folder: Path, *, own_environment: bool) -> Release:
    """A tag or commit of this project, as a worktree in a folder that does not exist yet."""
    git = ["git", "-C", str(PROJECT)]
    subprocess.run([*git, "worktree", "add", "--quiet", "--detach", folder, what], check=True)
    python = sys.executable
    if own_environment:
        venv.create(folder / ".venv", with_pip=True)
        python = str(folder / ".venv/bin/python")
        pip = [python, "-m", "pip", "install", "--quiet", "-r", "requirements.lock"]
        subprocess.run(pip, cwd=folder, check=True)
    return Release("old", folder, python)


def by_admin(folder: Path, one: Process, *argv: str) -> Process:
    """A tool of the release that a process is of, as the administrator of the bus."""
    password = home.passwords(folder / "home")[f"nats_{ADMIN}"]
    url = one.env["NATS_URL"]
    env = {**one.env, "NATS_URL": f"nats://{ADMIN}:{password}@{url.rpartition('@')[2]}"}
    python = sys.executable if one.module else one.argv[0]
    command = [python, "-m", *argv]
    return replace(one, name=argv[-1], argv=command, module=False, env=env, ready=None)


def drop(release: Release) -> None:
    """Remove a worktree."""
    git = ["git", "-C", str(PROJECT), "worktree", "remove", "--force", str(release.folder)]
    subprocess.run(git, check=True)


@dataclass
class Fleet:
    """The processes that run now, by name; the names of replicas end in their numbers."""

    logs: Path
    running: dict[str, Child] = field(default_factory=dict)

    async def start(self, *processes: Process) -> None:
        """Start processes at the same time; all are ready on return."""
        for one in processes:
            assert one.name not in self.running, one.name
            self.running[one.name] = start(one, self.logs)
        await asyncio.gather(*(self._is_ready(self.running[one.name]) for one in processes))

    async def _is_ready(self, child: Child) -> None:
        async with asyncio.timeout(START_S), client() as http:
            while not await child.is_ready(http):
                assert child.alive(), f"{child.obituary()}\n{child.last_words()}"
                await asyncio.sleep(POLL_SECONDS)

    async def stop(self, *names: str) -> None:
        """End processes in good order, at the same time; they must have ended well."""
        gone = [self.running.pop(name) for name in names]
        await asyncio.gather(*(child.stop(STOP_S) for child in gone))
        for name, child in zip(names, gone, strict=True):
            assert child.popen.returncode in ENDED_WELL, (
                f"{name} {child.obituary()}\n{child.last_words()}"
            )

    async def kill(self, name: str) -> None:
        """End a process as a crash would."""
        child = self.running.pop(name)
        child.kill()
        await child.ends()

    async def do(self, process: Process) -> None:
        """Run a one-shot to its good end."""
        child = start(process, self.logs)
        assert await child.ends(ONE_SHOT_S), f"{process.name} does not end: {child.last_words()}"
        assert child.popen.returncode == 0, f"{process.name}: {child.last_words()}"

    async def end(self) -> None:
        """End all that is left, the stores last."""
        stores = {name for name in self.running if name.startswith(("postgres", "nats"))}
        for names in (set(self.running) - stores, stores):
            await asyncio.gather(*(self.running.pop(name).stop(STOP_S) for name in names))


def settings(home: Path, ports: Mapping[str, object], **more: str) -> dict[str, str]:
    """An environment for `Release.table`, without any setting of whoever runs this."""
    passed_on = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**passed_on, "BAZAAR_HOME": str(home), **{k: str(v) for k, v in ports.items()}, **more}
