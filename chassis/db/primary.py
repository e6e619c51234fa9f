"""Of several PostgreSQL servers, the one that is written to: found when a connection is made.

DATABASE_URL names them as libpq has it, `postgresql://me:…@one:5432,two:5432/bazaar`. When one
takes another's place, connections break, and new ones lead to it.
"""

from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg

PORT = 5432


def spelled(url: str) -> str:
    """A URL of several hosts as SQLAlchemy has it; one of a single host as it is.

    Raises:
        ValueError: it is no URL.
    """
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return url
    places = [host if ":" in host else f"{host}:{PORT}" for host in hosts.split(",")]
    query = "&".join(filter(None, [*(f"host={quote(one)}" for one in places), parts.query]))
    return f"{parts.scheme}://{login}{at}{parts.path}?{query}"


class Primary:
    """Connects to whichever of the servers takes writes."""

    def __init__(self) -> None:
        """Nothing is known of them yet."""
        self._last: tuple[str, int] | None = None

    async def connect(self, **options: Any) -> "asyncpg.Connection[Any]":
        """A connection to the server that takes writes: first tried is the one that did last.

        Args:
            options: of `asyncpg.connect`. With a list of hosts the time is shared by them, so that
                one that does not answer leaves some to the others.

        Raises:
            ConnectionError: none of several does.
        """
        hosts, ports = options.pop("host", None), options.pop("port", None)
        if not isinstance(hosts, list):
            return await asyncpg.connect(host=hosts, port=ports, **options)
        options["timeout"] /= len(hosts)
        options.setdefault("target_session_attrs", "read-write")
        places = list(zip(hosts, ports, strict=True))
        trouble: Exception | None = None
        for place in sorted(places, key=lambda one: one != self._last):
            try:
                connection = await asyncpg.connect(host=place[0], port=place[1], **options)
            except (
                OSError,
                asyncpg.CannotConnectNowError,
                asyncpg.TargetServerAttributeNotMatched,
            ) as error:
                trouble = error
            else:
                self._last = place
                return connection
        raise ConnectionError("none of the servers takes writes") from trouble
