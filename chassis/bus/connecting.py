"""How a service connects to NATS: for ever, as itself; and what it does about errors there."""

import asyncio
import contextlib
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import SlowConsumerError

from chassis.bus.calls import refusal_headers
from chassis.bus.servers import servers
from chassis.settings import BusSettings
from contracts.errors import Unavailable
from contracts.provenance import REQUEST, answerable
from contracts.users import inbox

log = structlog.get_logger()

CROWDED = "Too many requests wait already; try again in a moment."
NOTICED_S = 3.0
"""A first connection takes no longer where there is a server."""
PING_EVERY_S = 2
"""A server that has not answered the third is taken for dead: a machine that lost its power closes
no connection."""


def connect_options(settings: BusSettings, name: str) -> dict[str, Any]:
    """How a service connects: for ever, with its name where an operator can see it.

    Its replies come to inboxes of its own, which the server lets nobody else listen to. A server
    that says nothing is left for another.
    """
    there = servers(settings.nats_url)
    return {
        "servers": there.urls,
        "security": there.security(),
        "name": name,
        "inbox_prefix": inbox(name.removesuffix("_svc")),
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.25,
        "connect_timeout": 5,
        "ping_interval": PING_EVERY_S,
        "graceful_timeout": settings.drain_s,
    }


def noticed() -> asyncio.TimerHandle:
    """Say soon, unless cancelled, that a first connection is awaited in vain, and where to look."""
    text = "no NATS server answers where NATS_URL says: is one running there?"
    return asyncio.get_running_loop().call_later(NOTICED_S, log.warning, text)


async def close(client: Client) -> None:
    """Close a connection, also one whose server is away.

    What the client still had to send goes with its server: it would write that to the socket that
    is gone, which uvloop refuses and asyncio's own loop only warns of.
    """
    if client.is_closed:
        return
    if not client.is_connected:
        # Its `close` writes what is left by this number, and nothing public lets go of that.
        client._pending_data_size = 0  # noqa: SLF001
    with contextlib.suppress(OSError):  # It went away this moment.
        await client.close()


async def on_error(client: Client, error: Exception) -> None:
    """What is done about an error that the client can tell nobody but us.

    Whoever sent a request that there was no room for is told that too many wait. All else is
    logged, such as what the server does not permit; but for attempts to connect, which are many.
    """
    if isinstance(error, SlowConsumerError) and error.subject.startswith(REQUEST):
        if answerable(error.reply):
            busy = Unavailable(CROWDED)
            await client.publish(error.reply, b"", headers=refusal_headers(busy))
    elif client.is_connected:
        log.error("NATS", error=error)
