"""The HTTP app of a process on the bus: /health (it lives), /ready (it can work), /metrics."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.observability import metrics
from chassis.release import release


def probes(
    name: str,
    ready: Callable[[], Awaitable[tuple[bool, list[str]]]],
    refresh: Callable[[], Awaitable[object]] | None = None,
) -> Starlette:
    """Answer whatever watches the process.

    Args:
        name: what the process is called.
        ready: whether it can do its work, and what is wrong, as sentences.
        refresh: looks up what is to be shown among the metrics.
    """

    async def healthy(_request: Request) -> JSONResponse:
        return JSONResponse({"service": name, "version": release(), "status": "up"})

    async def able(_request: Request) -> JSONResponse:
        can, wrong = await ready()
        body = {"service": name, "ready": can, "wrong": wrong}
        return JSONResponse(body, status_code=200 if can else 503)

    async def counted(request: Request) -> Response:
        if refresh is not None:
            await refresh()
        return await metrics.page(request)

    return Starlette(
        routes=[Route("/health", healthy), Route("/ready", able), Route("/metrics", counted)]
    )
