"""Patience with a cluster of NATS servers that have just lost their leader, and elect one."""

import asyncio

import structlog
from nats.aio.client import Client
from nats.js.errors import ServiceUnavailableError

from chassis import topology

log = structlog.get_logger()

AGAIN_S = 0.5


async def verified(client: Client, context: str) -> None:
    """`topology.verify`, as soon as somebody answers; who cannot wait for ever cancels it.

    Raises:
        Drift: something is missing or different.
    """
    while True:
        try:
            return await topology.verify(client, context)
        except (TimeoutError, ServiceUnavailableError) as error:
            log.warning("the streams do not answer yet", error=error)
        await asyncio.sleep(AGAIN_S)
