"""The layer that the doors are in: what is asked at one of their addresses, a door answers."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.endings import end
from gateway.doors import DOORS, door_at
from gateway.doors.shared.inside import Inside
from gateway.errors import problem
from gateway.settings import Settings

log = structlog.get_logger()

OFF = "There is nothing at this address."
CLOSE_S = 5.0
"""How long a door has for what is under way at it, when the gateway ends."""


@dataclass(frozen=True, slots=True)
class At:
    """What stands for the route of a door's request, in the log and in what is counted."""

    path: str


class Doors:
    """ASGI middleware: the doors, opened when somebody comes to them; the API for all else."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Let the doors of `settings` ask `app`."""
        self._app = app
        self._doors = {name: _Door(DOORS[name].module, app, settings) for name in settings.doors}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by a door, or pass on; the doors are closed when the app ends."""
        if scope["type"] == "lifespan":
            try:
                await self._app(scope, receive, send)
            finally:
                await close(self._doors.values())
            return
        name = door_at(scope["path"]) if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = At(DOORS[name].places[0])
        door = self._doors.get(name)
        if door is None:
            await problem(404, OFF)(scope, receive, send)
            return
        # White space around a value is none of it (RFC 9110, 5.5); the server leaves some.
        scope["headers"] = [(field, value.strip(b" \t")) for field, value in scope["headers"]]
        scope.setdefault("state", {})["api"] = scope["app"]  # A door may be an app of its own.
        await (await door.app())(scope, receive, send)


class _Door:
    """One door: closed until somebody comes, then open until the gateway ends."""

    def __init__(self, module: str, app: ASGIApp, settings: Settings) -> None:
        self._module = module
        self._inside = Inside(app)
        self._settings = settings
        self._opening = asyncio.Lock()
        self._app: ASGIApp | None = None
        self._over = asyncio.Event()
        self.keeping: asyncio.Task[None] | None = None

    async def app(self) -> ASGIApp:
        """The door's app; whoever comes first waits for its libraries, and nobody else does."""
        if self._app is None:
            async with self._opening:
                if self._app is None:
                    self._app = await self._open()
        return self._app

    def close(self) -> None:
        """Let it end; `keeping` is done when it has."""
        self._over.set()

    async def _open(self) -> ASGIApp:
        opened = asyncio.get_running_loop().create_future()
        module = await asyncio.to_thread(import_module, self._module)

        async def keep() -> None:
            # Opened and closed by one task, as libraries want it.
            try:
                async with module.opened(self._inside, self._settings) as app:
                    opened.set_result(app)
                    await self._over.wait()
            except BaseException as error:
                if not opened.done():
                    opened.set_exception(error)
                    return
                raise

        self.keeping = asyncio.create_task(keep())
        app: ASGIApp = await opened
        log.info("a door was opened", door=self._module.rpartition(".")[2])
        return app


async def close(doors: Iterable[_Door]) -> None:
    """Close doors; who does not end in time is cancelled."""
    closing: list[asyncio.Task[None]] = []
    for door in doors:
        door.close()
        if door.keeping is not None:
            closing.append(door.keeping)
    if closing:
        _, left = await asyncio.wait(closing, timeout=CLOSE_S)
        await end(*left)
