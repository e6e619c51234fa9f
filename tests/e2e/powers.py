"""What may be done to the processes of a system of the tests' own, wherever they run."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import asyncpg

from tests.e2e.system import System

Left = Callable[[], list[str]]
"""Which of the processes that ran when it was made still run, by name."""


class Replica(Protocol):
    """A second process of a service."""

    async def kill(self) -> None:
        """End it as a crash would."""


class Powers(Protocol):
    """A system, started as a user does, and power over its processes.

    Names are those of services and agents, `gateway`, `nats` and `postgres`.
    """

    def system(self) -> System:
        """Where it answers."""

    async def start(self) -> None:
        """Begin to start it; see `is_up`."""

    async def is_up(self) -> None:
        """Wait until all of it is ready."""

    async def stop(self) -> None:
        """Stop all of it in good order; an AssertionError if it went otherwise."""

    def watch(self) -> Left:
        """Remember everything that runs now; at least the stores, services and agents."""

    async def kill(self, name: str) -> None:
        """End a process as a crash would, and see it dead; it is started again by itself."""

    async def replace(self, name: str) -> None:
        """Stop a process in good order, the first of two, and have another in its place."""

    def second(self, context: str) -> AbstractAsyncContextManager[Replica]:
        """One more process of a service, ready, beside the first."""

    def dsn(self, context: str) -> str:
        """The database, as the role of a service; as its administrator for `postgres`."""

    def secrets(self) -> Mapping[str, str]:
        """The passwords in use."""

    def logs(self) -> Mapping[str, bytes]:
        """All that was logged so far, by process."""


@asynccontextmanager
async def books_of(powers: Powers) -> "AsyncIterator[asyncpg.Pool[Any]]":
    """The database as its administrator; names without a schema are the payment service's."""
    async with asyncpg.create_pool(
        powers.dsn("postgres"), min_size=1, max_size=1, server_settings={"search_path": "payment"}
    ) as pool:
        yield pool
