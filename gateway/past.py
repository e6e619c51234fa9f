"""What the stream EVENTS still holds, read again from a place on."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime

from nats.errors import Error as NatsError

from chassis.bus import stored
from chassis.bus.calls import UNREACHABLE
from contracts.errors import Unavailable
from contracts.topology import EVENTS
from gateway.link import Link
from gateway.live import PREFIX, LiveEvent, live_event

PAGE = 200
AT_ONCE = 8
"""Pages that one gateway reads at once: catching up must not crowd out what is new."""


class Past:
    """Reads events again, a page at a time, as fast as the reader takes them."""

    def __init__(self, link: Link) -> None:
        """Read over `link`."""
        self._link = link
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def first(self) -> int | None:
        """The sequence of the oldest event that is still there; None when there is none.

        Raises:
            Unavailable: the bus cannot be asked now.
        """
        found = await self._page(f"{PREFIX}>", 1, 1)
        return found.messages[0].sequence if found.messages else None

    async def read(
        self, subject: str, first: int, until: int, since: datetime | None = None
    ) -> AsyncGenerator[LiveEvent]:
        """The events on `subject` from the sequence `first` up to `until`, both included.

        Args:
            subject: with wildcards.
            first: where to begin.
            until: where to end.
            since: begin at this time instead: what lies before is not looked through.

        Raises:
            Unavailable: the bus was lost on the way.
        """
        left = 1
        while first <= until and left:
            page = await self._page(subject, since or first, PAGE)
            since = None
            for one in page.messages:
                if one.sequence > until:
                    return
                yield live_event(one.sequence, one.subject, one.headers, one.data)
                first = one.sequence + 1
            left = page.left

    async def _page(self, subject: str, first: int | datetime, most: int) -> stored.Found:
        try:
            async with self._turns:
                return await stored.read(self._link.client, EVENTS.name, subject, first, most)
        except (NatsError, TimeoutError, OSError):
            raise Unavailable(UNREACHABLE) from None
