"""The process of a service: its probes from the first moment, its start, and its end."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import TypeVar

import structlog
import uvicorn
from pydantic import ValidationError

from chassis import topology
from chassis.db.away import is_away
from chassis.http.bounds import Bounds
from chassis.http.probes import probes
from chassis.http.serving import options
from chassis.observability import logs, telemetry
from chassis.service import Service
from chassis.settings import ServiceSettings, WrongSetting, what_is_wrong

log = structlog.get_logger()
SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def run(build: Callable[[SettingsT], Service], settings_of: type[SettingsT]) -> None:
    """Be the process of a service until SIGTERM or SIGINT; exits with 1 if it cannot start.

    Args:
        build: makes the service of its settings.
        settings_of: what it reads from its environment.
    """
    try:
        service = build(settings_of())
    except ValidationError as error:
        sys.exit(f"The settings are wrong: {what_is_wrong(error)}")
    except WrongSetting as error:
        sys.exit(f"The settings are wrong: {error}")
    settings = service.settings
    # What was imported lives as long as the process; looking through it again and again took a
    # noticeable part of the processor time under load.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    logs.configure(settings, f"{service.name}_svc")
    telemetry.start(settings, f"{service.name}_svc")
    http = uvicorn.Config(
        probes(service.name, service.health.able, service.refresh),
        lifespan="off",
        timeout_graceful_shutdown=5,
        **options(Bounds()),
    )
    with asyncio.Runner(loop_factory=http.get_loop_factory()) as runner:
        sys.exit(runner.run(_live(service, http)))


async def _live(service: Service, http: uvicorn.Config) -> int:
    """Answer the probes from the first moment, start the service, and stop it when told to."""
    for number in (signal.SIGTERM, signal.SIGINT):  # Uvicorn raises it again when it has stopped.
        signal.signal(number, lambda *_: None)
    place = (service.settings.host, service.settings.health_port)
    try:
        probed = socket.create_server(place)
    except OSError as error:
        log.critical("cannot answer probes", host=place[0], port=place[1], error=error)
        return 1
    server = uvicorn.Server(http)
    serving = asyncio.create_task(server.serve(sockets=[probed]))
    starting = asyncio.create_task(service.start())
    await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED)
    failed = starting.exception() if starting.done() else None
    if failed is not None:
        log.critical("cannot start", error=failed, exc_info=None if _explained(failed) else failed)
        server.should_exit = True
    await serving
    if failed is not None:
        return 1
    if not starting.done():
        log.info("stopped before it had started")
        os._exit(0)  # Connecting may swallow a cancellation.
    await service.stop()
    return 0


def _explained(error: BaseException) -> bool:
    return isinstance(error, topology.Drift) or (isinstance(error, Exception) and is_away(error))
