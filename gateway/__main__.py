"""`python -m gateway`: the HTTP server in front of the bus."""

import math
import socket
import sys
from typing import Any

import structlog
import uvicorn
from pydantic import ValidationError

from chassis import logs, telemetry
from gateway.app import create_app
from gateway.errors import sentence
from gateway.protocol import LimitedProtocol
from gateway.settings import Settings

log = structlog.get_logger()

KEEP_ALIVE_S = 75
"""How long an idle connection stays open: longer than proxies and clients keep theirs."""


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is being answered then has `drain_s` to finish."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(f"The gateway's settings are wrong: {sentence(error.errors())}")
    logs.configure(settings, "gateway")
    telemetry.start(settings, "gateway")
    say_who_may_ask(settings)
    server = Server(settings)
    server.run()
    if not server.started:
        sys.exit(1)


def say_who_may_ask(settings: Settings) -> None:
    """Say in the log who is let in; that nobody is asked who they are must not go unseen."""
    if settings.auth_mode != "none":
        log.info("callers are authenticated", mode=settings.auth_mode)
    elif settings.listens_on != settings.host:
        log.warning(
            "no authentication: listening on 127.0.0.1 only, whatever HOST says",
            host=settings.host,
            instead="set AUTH_MODE, or AUTH_NONE_PUBLIC=true in a container published locally",
        )
    elif settings.auth_none_public:
        log.warning(
            "no authentication: whoever reaches this address may spend the account's money",
            host=settings.host,
            account=settings.default_account,
        )
    else:
        log.info("no authentication: listening on 127.0.0.1 only", host=settings.host)


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
        "host": settings.listens_on,
        "port": settings.port,
        "http": LimitedProtocol,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": math.ceil(settings.drain_s),
    }


if __name__ == "__main__":
    main()
