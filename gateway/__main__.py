"""`python -m gateway`: the HTTP server in front of the bus."""

import math
import sys
from typing import Any

import uvicorn
from pydantic import ValidationError

from chassis import logs
from gateway.app import create_app
from gateway.errors import sentence
from gateway.settings import Settings

KEEP_ALIVE_S = 75
"""How long an idle connection stays open: longer than proxies and clients keep theirs."""


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is being answered then has `drain_s` to finish."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(f"The gateway's settings are wrong: {sentence(error.errors())}")
    logs.configure(settings, "gateway")
    uvicorn.run(create_app(settings), **server_options(settings))


def server_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn is to serve the app."""
    return {
        "host": settings.host,
        "port": settings.port,
        "http": "httptools",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": math.ceil(settings.drain_s),
    }


if __name__ == "__main__":
    main()
