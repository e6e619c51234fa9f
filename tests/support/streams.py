"""What the streams keep, as tests read it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import nats
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from contracts import envelope


class Stored(NamedTuple):
    """A message as a stream keeps it."""

    subject: str
    headers: dict[str, str]
    text: str

    @property
    def type(self) -> str:
        """The event's name, such as `hold.placed`."""
        return ".".join(self.subject.split(".")[2:4])

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


async def stored(js: JetStreamContext, stream: str, subject: str) -> list[Stored]:
    """What a stream keeps on a subject (wildcards allowed), oldest first."""
    found: list[Stored] = []
    seq = 1
    while True:
        try:
            message = await js.get_msg(stream, seq, subject=subject, next=True, direct=True)
        except NotFoundError:
            return found
        headers = dict(message.headers or {})
        found.append(
            Stored(message.subject or "", headers, (message.data or b"").decode(errors="replace"))
        )
        seq = (message.seq or 0) + 1


async def dead_letters(js: JetStreamContext, consumer: str, message_id: str) -> list[Stored]:
    """The dead letters of a consumer that came of a message with this id."""
    found = await stored(js, "DEADLETTER", f"bazaar.dlq.{consumer}")
    return [letter for letter in found if letter.headers.get(envelope.ID) == message_id]


async def settled(js: JetStreamContext, stream: str, consumer: str) -> bool:
    """Whether a durable consumer is done with all that its stream has for it by now.

    What it has left is counted a moment after a publisher was answered: a message that was just
    stored may be in none of its numbers. So the newest message has to be below its floor, too.
    """
    config = (await js.consumer_info(stream, consumer)).config
    newest = [
        await _newest(js, stream, subject)
        for subject in config.filter_subjects or [config.filter_subject or ">"]
    ]
    info = await js.consumer_info(stream, consumer)
    floor = info.ack_floor.stream_seq if info.ack_floor else 0
    return not info.num_pending and not info.num_ack_pending and floor >= max(newest)


async def _newest(js: JetStreamContext, stream: str, subject: str) -> int:
    try:
        return (await js.get_last_msg(stream, subject)).seq or 0
    except NotFoundError:
        return 0


@asynccontextmanager
async def jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    """A connection of the test's own to NATS."""
    client = await nats.connect(url)
    try:
        yield client.jetstream()
    finally:
        await client.close()
