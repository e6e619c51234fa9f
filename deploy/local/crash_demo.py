"""`make crash-demo`: kills services in the middle of a turn, and shows that nothing came of it.

It starts a whole marketplace of its own: own ports, a temporary home, a double of Claude's API in
place of Claude. The exit code is 0 only if everything holds that has to.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeAlias

import httpx
import psutil

from agents import summarizer, translator
from agents.settings import Settings as AgentSettings
from chassis.observability.terminal import one_line, plain
from deploy.local.answers import AskError, body_of
from deploy.local.crash_checks import checks
from deploy.local.errors import StartError
from deploy.local.following import follow
from deploy.local.forks import command
from deploy.local.ports import free_port
from deploy.local.settings import AGENTS, PROJECT, Settings, load
from deploy.local.telling import Telling
from deploy.local.witness import Witness, serving

QUESTION = (
    "Summarize and translate to German: The house is big. The garden is beautiful and the water is"
    " clean. Many people come to the city in summer, because the weather is good. In winter the"
    " streets are empty and the days are short."
)
KEY = "sk-ant-demo"
WORK_SECONDS = 2.0
READY_SECONDS = 180.0
TURN_SECONDS = 180.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.1
PORTS = tuple(name.upper() for name in Settings.model_fields if name.endswith("_port"))
"""Variables of all ports of a stack: this one runs beside another."""

Json = dict[str, Any]
Popen: TypeAlias = "subprocess.Popen[bytes]"


def main() -> int:
    """Runs the demonstration. Returns the exit code."""
    try:
        _check(load())
        return asyncio.run(demonstrate())
    except (AskError, StartError) as error:
        print(plain(str(error)), file=sys.stderr)
        return 1


def _check(settings: Settings) -> None:
    if settings.database_url or settings.nats_url:
        raise StartError("DATABASE_URL and NATS_URL must not be set: the demo uses its own servers")


async def demonstrate() -> int:
    """Starts everything, asks, kills, and looks; 0 if all holds."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {plain(text)}", flush=True)

    witnesses = {
        "Summarizer Agent": Witness(summarizer.build(AgentSettings()), WORK_SECONDS),
        "Translator Agent": Witness(translator.build(AgentSettings()), WORK_SECONDS),
    }
    ports = {name: free_port() for name in (*PORTS, *AGENTS, "anthropic")}
    with ExitStack() as opened:
        for name, witness in zip(("summarizer", "translator"), witnesses.values(), strict=True):
            opened.enter_context(serving(witness, ports[name]))
        say("starting a marketplace of its own; a double plays Claude's API, so no key is needed")
        async with _marketplace(ports) as runner, _api(ports) as api:
            agents = await _listed(api, runner, set(witnesses))
            say("it is up")
            wallet = body_of(await api.get("/api/wallet"))
            telling = Telling(agents, lambda text: print(text, end="", flush=True))
            telling.line("asks", QUESTION)
            killing = asyncio.create_task(_kill(runner, ports, witnesses, telling))
            ended = await follow(api, {"content": QUESTION}, telling.tell, TURN_SECONDS)
            if not killing.done():
                killing.cancel()
                raise AskError("The turn ended before everything was killed.")
            killing.result()
            print()
            say("What came of it:")
            found = await checks(api, ended, witnesses, wallet)
            for check in found:
                told = one_line(f"{check.claim} ({check.found})")
                print(f"  {'ok  ' if check.holds else 'FAIL'}  {told}")
    good = all(check.holds for check in found)
    say("Nothing was lost, done twice or paid twice." if good else "Something does not hold.")
    return 0 if good else 1


async def _kill(
    runner: psutil.Process,
    ports: Mapping[str, int],
    witnesses: Mapping[str, Witness],
    telling: Telling,
) -> None:
    """One service after the other, each while an agent is at work; the runner restarts it."""
    for victim, (name, witness) in zip(("chat", "task"), witnesses.items(), strict=True):
        await asyncio.to_thread(witness.at_work.wait, TURN_SECONDS)
        process = _service(runner, victim)
        process.kill()
        telling.line("KILLED", f"kill -9 {process.pid} ({victim}_svc), while {name} is at work")
        await asyncio.to_thread(process.wait, STOP_SECONDS)
        async with httpx.AsyncClient(trust_env=False) as http:
            await _answers(http, f"http://127.0.0.1:{ports[f'{victim.upper()}_HEALTH_PORT']}/ready")
        telling.line("BACK", f"{victim}_svc, as process {_service(runner, victim).pid}")


async def _answers(http: httpx.AsyncClient, url: str) -> None:
    """Wait for the successor of a process that was killed."""
    while True:
        with suppress(httpx.TransportError):
            if (await http.get(url)).is_success:
                return
        await asyncio.sleep(POLL_SECONDS)


def _service(runner: psutil.Process, name: str) -> psutil.Process:
    """The living process of a service; a StartError if there is none."""
    for child in runner.children(recursive=True):
        with suppress(psutil.Error):
            if command(child)[-2:] == ["-m", f"{name}_svc"]:
                return child
    raise StartError(f"there is no {name}_svc")


@asynccontextmanager
async def _marketplace(ports: Mapping[str, int]) -> AsyncIterator[psutil.Process]:
    """The whole system and Claude's double, stopped in the end; the process that runs it."""
    with tempfile.TemporaryDirectory(prefix="bazaar-demo-") as name, ExitStack() as opened:
        folder = Path(name)
        # The embedded PostgreSQL may run as another user.
        await asyncio.to_thread(folder.chmod, 0o755)
        log = opened.enter_context((folder / "up.log").open("wb"))
        for module in (
            ("tests.doubles.anthropic", "--port", str(ports["anthropic"]), "--key", KEY),
            ("deploy.local", "up"),
        ):
            popen = _start(module, _environment(folder / "home", ports), log)
            opened.callback(_end, popen)
        try:
            yield psutil.Process(popen.pid)
        except Exception:
            print(plain((folder / "up.log").read_text()[-4000:]), file=sys.stderr)
            raise


def _start(module: Sequence[str], env: Mapping[str, str], log: IO[bytes]) -> Popen:
    return subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=PROJECT,
        env=env,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def _end(popen: Popen) -> None:
    popen.terminate()
    try:
        popen.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        popen.kill()


def _environment(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        **os.environ,
        **{name: str(ports[name]) for name in PORTS},
        **{f"{name.upper()}_URL": f"http://127.0.0.1:{ports[name]}" for name in AGENTS},
        "BAZAAR_HOME": str(home),
        "BAZAAR_AGENTS": "none",
        "AUTH_MODE": "none",
        "ORCHESTRATOR": "claude",
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{ports['anthropic']}",
        # What a dead replica had in hand is taken over sooner than by default.
        "LEASE_S": "3",
        "SWEEP_S": "1",
        "PROBE_EVERY_S": "1",
    }


@asynccontextmanager
async def _api(ports: Mapping[str, int]) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{ports['GATEWAY_PORT']}"
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as api:
        yield api


async def _listed(
    api: httpx.AsyncClient, runner: psutil.Process, wanted: set[str]
) -> dict[str, str]:
    """The agents' names by id, once the wanted ones are available; a StartError if never."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and runner.status() != psutil.STATUS_ZOMBIE:
        with suppress(httpx.TransportError, AskError):
            for path in ("/api/wallet", "/api/tasks", "/api/messages"):
                body_of(await api.get(path))
            agents = body_of(await api.get("/api/agents"))
            if wanted <= {agent["name"] for agent in agents if agent["availability"]}:
                return {agent["id"]: agent["name"] for agent in agents}
        await asyncio.sleep(POLL_SECONDS)
    raise StartError("The marketplace did not come up.")


if __name__ == "__main__":
    sys.exit(main())
