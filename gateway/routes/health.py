"""Whether the system lives: each service by name, and whether the gateway can do its work."""

import asyncio
import time
from typing import Literal

from fastapi import APIRouter, Request

from contracts import api
from contracts.base import Model, Ping, ping_call
from contracts.errors import Refusal
from contracts.users import CONTEXTS
from gateway.asking import ask, gateway_of
from gateway.parameters import StrictRoute

router = APIRouter(tags=["health"], route_class=StrictRoute)


class Ready(Model):
    """GET /ready: requests can be passed on."""

    ready: Literal[True] = True


@router.get("/health", summary="Each service, and whether it answers")
async def get_health(request: Request) -> api.Health:
    """Always 200 while the gateway lives; `status` is `degraded` when somebody is missing."""
    bus, *services = await asyncio.gather(
        _bus(request), *(_service(request, context) for context in CONTEXTS)
    )
    shown = gateway_of(request).settings.dashboards_url
    details = {} if shown is None else {"dashboards": str(shown)}
    found = {"gateway": api.ServiceHealth(status="up", details=details), "bus": bus}
    found |= dict(zip(CONTEXTS, services, strict=True))
    well = all(each.status == "up" for each in found.values())
    return api.Health(
        status="ok" if well else "degraded", version=request.app.version, services=found
    )


@router.get("/ready", summary="Whether the gateway reaches the bus, and the bus stores")
async def get_readiness(request: Request) -> Ready:
    """200 when requests can be passed on, else 503."""
    await gateway_of(request).room.check()
    return Ready()


async def _bus(request: Request) -> api.ServiceHealth:
    try:
        ms = await gateway_of(request).link.ping()
        await gateway_of(request).room.check()
        return api.ServiceHealth(status="up", ms=ms)
    except Refusal as error:
        return api.ServiceHealth(status="down", detail=error.message)


async def _service(request: Request, context: str) -> api.ServiceHealth:
    begun = time.perf_counter()
    try:
        pong = await ask(request, ping_call(context), Ping())
    except Refusal as error:
        return api.ServiceHealth(status="down", detail=error.message)
    ms = round((time.perf_counter() - begun) * 1000)
    return api.ServiceHealth(status="up", ms=ms, details=pong.details)
