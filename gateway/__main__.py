"""`python -m gateway`: the HTTP server in front of the bus."""

import asyncio
import math
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn
from pydantic import ValidationError

from chassis.http.bounds import Bounds, allow_files
from chassis.http.serving import options
from chassis.observability import logs, metrics, telemetry
from chassis.settings import what_is_wrong
from gateway.again import RepeatingProtocol
from gateway.app import create_app
from gateway.settings import Settings

log = structlog.get_logger()

METRICS_STOP_S = 1
SPARE_FILES = 128
"""Files that the process has open besides its connections."""


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is being answered then has `drain_s` to finish."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(f"The gateway's settings are wrong: {what_is_wrong(error)}")
    logs.configure(settings, "gateway")
    telemetry.start(settings, "gateway")
    metrics.name_service("gateway")
    say_who_may_ask(settings)
    allow_files(settings.connections + SPARE_FILES)
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


class Aside(uvicorn.Server):
    """A server beside the one that the process is for; signals are not its business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to the other."""
        yield


class Server(uvicorn.Server):
    """The HTTP server of the gateway; event streams, which never end by themselves, end first."""

    def __init__(self, settings: Settings) -> None:
        """Serve a gateway with these settings."""
        self.gateway = create_app(settings)
        self.metrics = Aside(uvicorn.Config(metrics.app(), **metrics_options(settings)))
        self._port = settings.metrics_port
        self._counting: asyncio.Task[None] | None = None
        super().__init__(uvicorn.Config(self.gateway, **server_options(settings)))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, and show on a port of its own what was counted."""
        place = None
        if self._port is not None:
            try:
                place = socket.create_server((self.metrics.config.host, self._port))
            except OSError as error:
                log.critical("cannot show metrics", port=self._port, error=error.strerror)
                self.should_exit = True
                return
        await super().startup(sockets)
        if place is not None:
            self._counting = asyncio.create_task(self.metrics.serve([place]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, let what is being answered finish, and stop."""
        self.gateway.state.gateway.streams.stop()
        await super().shutdown(sockets)
        if self._counting is not None:
            self.metrics.should_exit = True
            await self._counting


def metrics_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn is to serve what was counted."""
    return {
        "host": settings.listens_on,
        "lifespan": "off",
        "timeout_graceful_shutdown": METRICS_STOP_S,
        **options(Bounds()),
    }


def server_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn is to serve the app."""
    return {
        **options(settings.bounds, RepeatingProtocol),
        "host": settings.listens_on,
        "port": settings.port,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
        "timeout_keep_alive": settings.keep_alive_s,
        "timeout_graceful_shutdown": math.ceil(settings.drain_s),
    }


if __name__ == "__main__":
    main()
