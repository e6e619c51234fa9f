"""Whether the bus stores anything: tried by a write, before what somebody posts is begun."""

import asyncio
import time

import httpx
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import HttpUrl

from chassis.bus.calls import UNREACHABLE
from contracts.errors import Unavailable
from contracts.topology import IDEMPOTENCY
from gateway.buckets import bucket
from gateway.link import Link

log = structlog.get_logger()

FRESH_S = 1.0
"""What a write came to counts for so long."""
WRITE_S = 3.0
HEALTH_S = 1.0
KEY, PIECE = "room", bytes(8192)
"""What every gateway writes over and over, and nobody reads; more than what a block has left."""
FULL = "The message bus stores nothing just now: its disk may be full. Try again in a while."


class Room:
    """Tries a write when it is asked, at most once a second for everybody who asks."""

    def __init__(self, link: Link, monitor: HttpUrl | None) -> None:
        """Try over `link`, and ask the server's `monitor` too when there is one."""
        self._link = link
        # One for all looks: making one holds up the loop for as long as a hundred requests.
        self._monitor = (
            httpx.AsyncClient(base_url=str(monitor), trust_env=False, timeout=HEALTH_S)
            if monitor
            else None
        )
        self._tried_at = float("-inf")
        self._wrong: str | None = None
        self._trying: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Make sure that the bus stores what it is sent.

        Raises:
            Unavailable: it does not, or cannot be reached.
        """
        client = self._link.client
        if time.monotonic() - self._tried_at >= FRESH_S:
            if self._trying is None or self._trying.done():
                self._trying = asyncio.create_task(self._try(client))
            await asyncio.shield(self._trying)
        if self._wrong is not None:
            raise Unavailable(self._wrong)

    async def close(self) -> None:
        """Ask no more."""
        if self._monitor is not None:
            await self._monitor.aclose()

    async def _try(self, client: Client) -> None:
        try:
            async with asyncio.timeout(WRITE_S):
                await bucket(client, IDEMPOTENCY).put(KEY, PIECE)
            self._wrong = None if await self._well() else FULL
        except (NatsError, TimeoutError, OSError) as error:
            self._wrong = FULL if self._link.connected else UNREACHABLE
            log.error("the bus stores nothing", error=type(error).__name__)
        self._tried_at = time.monotonic()

    async def _well(self) -> bool:
        """What the server says of itself: one stream may be stuck and another not."""
        if self._monitor is None:
            return True
        try:
            answer = await self._monitor.get("/healthz")
        except httpx.HTTPError:
            return True  # That cannot be asked, and a write has succeeded.
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            log.error("the bus is not well", status=answer.status_code)
            return False
        return True
