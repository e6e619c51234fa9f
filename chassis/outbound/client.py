"""The HTTP client for calls to strangers."""

import asyncio
from collections.abc import Collection

from chassis.outbound.addresses import Place, parse
from chassis.outbound.errors import TooSlow, Unreachable
from chassis.outbound.exchange import Answer, Limits, Listener, Request
from chassis.outbound.lookups import Lookups
from chassis.outbound.transfers import Transfer
from chassis.outbound.wire import Wire

AT_ONCE = 512
"""Calls under way at once; further ones wait for as long as a connection may take."""


class Outbound:
    """Calls addresses that strangers gave, within limits.

    Every call looks the name up, judges all that it leads to, and connects to nothing else. No
    redirects are followed, no proxies, cookies or passwords used. HTTP/1.1 alone is spoken, on a
    connection per call: on one that was kept, a server could answer the next call in advance.
    """

    def __init__(self, permitted: Collection[str] = ()) -> None:
        """Prepare the client; it may be made before there is an event loop.

        Args:
            permitted: hosts whose addresses may be private.
        """
        self._lookups = Lookups(frozenset(permitted))
        self._wire = Wire()
        self._places = asyncio.Semaphore(AT_ONCE)

    async def judge(self, url: str, within_s: float) -> Place:
        """Whether a URL may be called now.

        Raises:
            AddressRefused: it may not.
            Unreachable: its name has no address, or could not be looked up in time.
        """
        place = parse(url)
        await self._addresses(place, within_s)
        return place

    async def send(
        self, request: Request, limits: Limits, listener: Listener | None = None
    ) -> Answer:
        """Ask, and wait for the answer; cancelling it ends the exchange.

        Args:
            request: what is asked.
            limits: what the answer may cost.
            listener: hears the answer while it arrives.

        Raises:
            AddressRefused: the URL may not be called.
            Unreachable: no connection, or no HTTP on it.
            TooSlow: no whole answer in time.
            TooMuch: more of an answer than `limits` allow.
        """
        place = parse(request.url)
        try:
            async with asyncio.timeout(limits.total_s):
                addresses = await self._addresses(place, limits.connect_s)
                try:
                    async with asyncio.timeout(limits.connect_s):
                        await self._places.acquire()
                except TimeoutError:
                    raise Unreachable("too many calls are under way", sent=False) from None
                try:
                    transfer = Transfer(request, place, addresses, limits, listener)
                    return await self._carry(transfer)
                finally:
                    self._places.release()
        except TimeoutError:
            raise TooSlow("it is too slow") from None

    async def aclose(self) -> None:
        """End what is under way, close all connections, and end the thread."""
        self._lookups.close()
        await asyncio.to_thread(self._wire.stop)

    async def _addresses(self, place: Place, within_s: float) -> list[str]:
        try:
            async with asyncio.timeout(within_s):
                return await self._lookups.addresses(place)
        except TimeoutError:
            raise Unreachable("its name could not be looked up in time", sent=False) from None

    async def _carry(self, transfer: Transfer) -> Answer:
        self._wire.start(transfer)
        try:
            return await transfer.answer
        except asyncio.CancelledError:
            self._wire.drop(transfer)
            raise
