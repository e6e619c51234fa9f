"""Reading along: a client of server-sent events, and events as services publish them."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from nats.aio.client import Client

from chassis.bus.envelopes import enclose, origin
from contracts.base import Event
from contracts.task_events import StepStarted
from tests.support.polling import until

_NUMBERS = itertools.count(1)
THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def fresh(name: str) -> str:
    """An account or a task that no other test has."""
    return f"{name}-{next(_NUMBERS)}"


async def tell(client: Client, event: Event, account: str) -> int:
    """Publish an event as a service does; its sequence in the stream, 0 when it is not kept."""
    row = enclose(event, event.type.partition(".")[0], origin("test", "test", account), account)
    if not event.kept:
        await client.publish(row.subject, row.body, headers=row.headers)
        await client.flush()
        return 0
    acked = await client.jetstream().publish(
        row.subject,
        row.body,
        stream=row.stream,
        headers=row.headers,
    )
    return acked.seq


def started(task_id: str, number: int = 1) -> StepStarted:
    return StepStarted(task_id=task_id, step_id=f"s{number}", agent_id="translator")


@dataclass
class Heard:
    """What came over one event stream so far.

    Attributes:
        events: the bodies of the events, in the order they came.
        ids: their ids.
        notices: the names of what was said about the stream itself.
        last_id: what a browser would resume by.
        comments: signs of life.
        ended: whether the gateway ended it.
    """

    headers: httpx.Headers
    events: list[Any] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    last_id: int = 0
    ended: bool = False

    @property
    def steps(self) -> list[str]:
        return [event["data"]["stepId"] for event in self.events]

    def take(self, block: str) -> None:
        """One block, read as the standard says."""
        name, data = "message", []
        for line in block.split("\n"):
            part, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if part == "":
                self.comments.append(value)
            elif part == "id":
                self.last_id = int(value)
            elif part == "event":
                name = value
            elif part == "data":
                data.append(value)
        if not data:
            return
        body = json.loads("\n".join(data))
        if name == "notice":
            self.notices.append(body["notice"])
        else:
            self.events.append(body)
            self.ids.append(self.last_id)

    async def until_heard(self, count: int) -> None:
        await until(lambda: len(self.events) >= count, f"{count} events")


@asynccontextmanager
async def reading(
    http: httpx.AsyncClient, path: str, last_id: int | None = None
) -> AsyncIterator[Heard]:
    """Open an event stream; it is read until the block is left."""
    headers = {} if last_id is None else {"Last-Event-ID": str(last_id)}
    async with http.stream("GET", path, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200, await answer.aread()
        heard = Heard(answer.headers)
        task = asyncio.create_task(_read(answer, heard))
        try:
            await until(lambda: heard.comments, "the stream's first words")
            yield heard
        finally:
            task.cancel()
            await asyncio.wait({task})


async def _read(answer: httpx.Response, heard: Heard) -> None:
    rest = ""
    async for text in answer.aiter_text():
        *blocks, rest = (rest + text).replace("\r\n", "\n").split("\n\n")
        for block in blocks:
            heard.take(block)
    heard.ended = True
