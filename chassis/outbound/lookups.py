"""Looking up names, off the event loop, a bounded number at once."""

import asyncio
import contextlib
import socket
import threading

from chassis.outbound.addresses import Place, allowed
from chassis.outbound.errors import Unreachable

AT_ONCE = 32
"""Names of strangers that are looked up at once."""
MOST_PINNED = 8
"""Addresses of one name that a connection may be tried to; all are judged."""


class Lookups:
    """The system's resolver; each name is looked up once at a time, for all who ask for it.

    The system's lookup cannot be stopped, and a name whose server is silent takes it many seconds.
    So each has a thread of its own, and only so many are there for strangers' names. Permitted
    hosts do not wait for a free one: they are few and known.
    """

    def __init__(self, permitted: frozenset[str]) -> None:
        """Begin with none."""
        self._permitted = permitted
        self._free = asyncio.Semaphore(AT_ONCE)
        self._asked: dict[str, asyncio.Task[list[str]]] = {}

    async def addresses(self, place: Place) -> list[str]:
        """Every address of a place, all of them judged.

        Raises:
            AddressRefused: one of them may not be called.
            Unreachable: it has none.
        """
        permitted = place.host in self._permitted
        if place.address is not None:
            return allowed(place, [str(place.address)], permitted=permitted)
        asked = self._asked.get(place.host)
        if asked is None:
            asked = asyncio.create_task(self._ask(place.host, bounded=not permitted))
            self._asked[place.host] = asked
            asked.add_done_callback(lambda _: self._asked.pop(place.host, None))
        # Whoever gives up waiting must not end it for the others.
        addresses = await asyncio.shield(asked)
        if not addresses:
            raise Unreachable("its name has no address", sent=False)
        return allowed(place, addresses, permitted=permitted)[:MOST_PINNED]

    def close(self) -> None:
        """Wait for no answer any more."""
        for asked in self._asked.values():
            asked.cancel()

    async def _ask(self, host: str, *, bounded: bool) -> list[str]:
        async with self._free if bounded else contextlib.nullcontext():
            loop = asyncio.get_running_loop()
            found: asyncio.Future[list[str]] = loop.create_future()
            # A daemon: an end of the process does not wait for a silent name server.
            threading.Thread(target=_look_up, args=(host, loop, found), daemon=True).start()
            return await found


def _look_up(host: str, loop: asyncio.AbstractEventLoop, found: asyncio.Future[list[str]]) -> None:
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
    except (OSError, UnicodeError):
        addresses = []
    with contextlib.suppress(RuntimeError):  # The loop may be closed by now.
        loop.call_soon_threadsafe(_settle, found, addresses)


def _settle(found: asyncio.Future[list[str]], addresses: list[str]) -> None:
    if not found.done():
        found.set_result(addresses)
