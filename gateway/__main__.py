"""`python -m gateway`: the HTTP server in front of the bus."""

import math
import socket
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
    server = Server(settings)
    server.run()
    if not server.started:
        sys.exit(1)


class Server(uvicorn.Server):
    """The HTTP server of the gateway; event streams, which never end by themselves, end first."""

    def __init__(self, settings: Settings) -> None:
        """Serve a gateway with these settings."""
        self.gateway = create_app(settings)
        super().__init__(uvicorn.Config(self.gateway, **server_options(settings)))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, let what is being answered finish, and stop."""
        self.gateway.state.gateway.streams.stop()
        await super().shutdown(sockets)


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
