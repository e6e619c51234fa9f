"""Telling the gateways whose data changed, so that they keep no answer that is older than that.

A hint leaves before the reply to the request that changed something, on the same connection: when
somebody has the reply, the bus has sent the hint to every gateway. Other changes are told at once
when none was told for a while, and else together with those of the next moment.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts.changes import MOST_ACCOUNTS, Changed, subject

log = structlog.get_logger()
GATHER_S = 0.008
"""How long a change may wait for others, when one was just told."""


class Changes:
    """What a service's transactions changed and was not told yet."""

    def __init__(self, context: str, client: Callable[[], Awaitable[Client]]) -> None:
        """Tell of changes of `context` over the connection that `client` gives."""
        self._subject = subject(context)
        self._client = client
        self._accounts: set[str] = set()
        self._told_at = float("-inf")
        self._later: asyncio.TimerHandle | None = None
        self._telling: set[asyncio.Task[None]] = set()

    def note(self, accounts: Iterable[str]) -> None:
        """Have it told soon that something of these accounts changed."""
        self._accounts.update(accounts)
        if self._later is not None or not self._accounts:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._told_at + GATHER_S - loop.time()
        if wait_s > 0:
            self._later = loop.call_later(wait_s, self._tell_soon)
        else:
            self._tell_soon()

    async def tell(self) -> None:
        """Tell now of what was noted, if anything was."""
        if self._accounts:
            await self._send()

    async def alive(self) -> None:
        """Say something, whether anything changed or not."""
        await self._send()

    def _tell_soon(self) -> None:
        job = asyncio.create_task(self.tell())
        self._telling.add(job)
        job.add_done_callback(self._telling.discard)

    async def _send(self) -> None:
        accounts, self._accounts = self._accounts, set()
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._told_at = asyncio.get_running_loop().time()
        hint = Changed(accounts=None if len(accounts) > MOST_ACCOUNTS else sorted(accounts))
        try:
            client = await self._client()
            await client.publish(self._subject, hint.model_dump_json().encode())
        except (NatsError, OSError) as error:
            # Gateways keep nothing for long; and whoever is cut off from the bus, answers nobody.
            log.debug("a change was not told", error=error)
