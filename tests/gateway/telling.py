"""Stand-ins that tell of their changes, so that a gateway's cache is in use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from nats.aio.msg import Msg

from contracts.base import Call, Model
from contracts.catalogue import CONTEXTS
from contracts.changes import TELLS, Changed, subject
from gateway import cache, remembering
from tests.support.gateways import Served, StandIns, stand_ins
from tests.support.polling import until


class Telling:
    """Stand-ins that tell of their changes, as services do, and count what they were asked."""

    def __init__(self, services: StandIns) -> None:
        self.services = services
        self.got: list[str] = []

    async def answer(self, call: Call[Any, Any], reply: Any) -> None:
        """Answer with what a function makes of the request, and say that changes are told."""

        async def on_request(message: Msg) -> None:
            self.got.append(call.subject)
            found = reply() if callable(reply) else reply
            if asyncio.iscoroutine(found):
                found = await found
            body = found.model_dump_json().encode() if isinstance(found, Model) else found
            await self.services.client.publish(message.reply, body, headers={TELLS: "true"})

        async def at_once(message: Msg) -> None:
            job = asyncio.create_task(on_request(message))
            self.services._at_work.add(job)
            job.add_done_callback(self.services._at_work.discard)

        await self.services.client.subscribe(call.subject, queue=call.context, cb=at_once)
        await self.services._arrived()

    def asked(self, call: Call[Any, Any]) -> int:
        return self.got.count(call.subject)

    async def changed(self, context: str, *accounts: str) -> None:
        """Tell of a change, and be sure that the server has sent it on."""
        hint = Changed(accounts=list(accounts) or None)
        await self.services.client.publish(subject(context), hint.model_dump_json().encode())
        await self.services._arrived()

    async def live(self) -> None:
        """Say again and again that one is there."""
        while True:
            for context in CONTEXTS:
                await self.services.client.publish(subject(context), b'{"accounts":[]}')
            await asyncio.sleep(0.05)


@asynccontextmanager
async def telling(bus_url: str) -> AsyncIterator[Telling]:
    async with stand_ins(bus_url) as services:
        found = Telling(services)
        living = asyncio.create_task(found.live())
        try:
            yield found
        finally:
            living.cancel()


async def until_kept(served: Served, *contexts: str) -> None:
    """Wait until the gateway has heard of these services, and nothing of them is missing."""
    layer = served.gateway.cache
    await until(
        lambda: all(
            (known := layer._contexts.get(name)) is not None
            and layer.now() - known.heard_at < cache.SILENT_S
            and layer.now() >= known.apart_until
            for name in contexts
        ),
        "the cache is in use",
    )


def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept lives until it is told otherwise: a busy machine takes seconds for a look."""
    for module, name in (
        (cache, "LIVES_S"),
        (cache, "SILENT_S"),
        (remembering, "REMEMBERED_S"),
    ):
        monkeypatch.setattr(module, name, 600.0)
