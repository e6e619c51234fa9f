"""Messages that lie in a stream, read a page at a time without a consumer.

One request is answered by the messages themselves (the server's "direct get", in batches since
2.11). Whoever reads so leaves nothing behind on the server, and needs no right to make consumers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.aio.client import Client
from nats.errors import Error as NatsError

ANSWER_S = 5.0
PAGE_BYTES = 1024 * 1024
"""A page ends before the message that would go beyond this, unless it is the first."""
END, NOTHING = "204", "404"
"""What the server says in the header `Status`: that was all of the page; there is none."""


class NotRead(NatsError):
    """The server refuses to read, or has no such stream."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as it lies in a stream; `time` as the server writes it, RFC 3339."""

    sequence: int
    subject: str
    time: str
    headers: Mapping[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A page of messages, oldest first, and how many lie behind it."""

    messages: tuple[Stored, ...]
    left: int


async def read(
    client: Client, stream: str, subject: str, first: int | datetime, most: int
) -> Found:
    """The messages on `subject` (or its wildcards) from `first` on, `most` of them.

    Args:
        client: to ask by.
        stream: which one.
        subject: of the messages.
        first: a sequence, or a time: the server finds it without looking at what lies before.
        most: how many at once.

    Raises:
        NotRead: the server refuses.
        TimeoutError: it does not answer.
        NatsError: the connection is gone.
    """
    place = (
        {"start_time": first.astimezone(UTC).isoformat()}
        if isinstance(first, datetime)
        else {"seq": max(first, 1)}
    )
    asked = {**place, "batch": most, "next_by_subj": subject, "max_bytes": PAGE_BYTES}
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)
    found: list[Stored] = []
    try:
        await client.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(asked).encode(), inbox)
        while True:
            message = await answers.next_msg(ANSWER_S)
            headers = message.headers or {}
            status = _status(headers)
            if status is None:
                found.append(_stored(headers, message.data))
            elif status == END:
                return Found(tuple(found), int(headers.get("Nats-Num-Pending", "0")))
            elif status == NOTHING:
                return Found((), 0)
            else:
                raise NotRead(f"{stream} cannot be read: status {status}")
    finally:
        if client.is_connected:
            await answers.unsubscribe()


async def last(client: Client, stream: str, subject: str) -> Stored | None:
    """The newest message on `subject`; None when there is none.

    Raises:
        NotRead: the server refuses.
        TimeoutError: it does not answer.
        NatsError: the connection is gone.
    """
    asked = json.dumps({"last_by_subj": subject}).encode()
    message = await client.request(f"$JS.API.DIRECT.GET.{stream}", asked, timeout=ANSWER_S)
    headers = message.headers or {}
    status = _status(headers)
    if status == NOTHING:
        return None
    if status is not None:
        raise NotRead(f"{stream} cannot be read: status {status}")
    return _stored(headers, message.data)


def _status(headers: Mapping[str, str]) -> str | None:
    """What the server says of itself; a message that has such a header of its own is a message."""
    return None if "Nats-Sequence" in headers else headers.get("Status", "")


def _stored(headers: Mapping[str, str], data: bytes) -> Stored:
    ours = {name: value for name, value in headers.items() if name not in _SERVERS}
    return Stored(
        sequence=int(headers["Nats-Sequence"]),
        subject=headers["Nats-Subject"],
        time=headers["Nats-Time-Stamp"],
        headers=ours,
        data=data,
    )


_SERVERS = frozenset(
    (
        "Nats-Stream",
        "Nats-Subject",
        "Nats-Sequence",
        "Nats-Time-Stamp",
        "Nats-Num-Pending",
        "Nats-Last-Sequence",
    )
)
"""Headers that the server adds to what it reads."""
