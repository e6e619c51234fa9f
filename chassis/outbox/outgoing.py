"""A message on its way to a stream, with the bytes that are stored in the outbox and sent."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chassis.observability.terminal import escaped


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to a stream; `body` is its JSON as it is stored and sent."""

    subject: str
    stream: str
    headers: dict[str, str]
    body: bytes

    def as_entry(self) -> bytes:
        """The message as an entry of an outbox row."""
        about = {"subject": self.subject, "stream": self.stream, "headers": self.headers}
        return json.dumps(about)[:-1].encode() + b', "data": ' + self.body + b"}"


def as_row(messages: Sequence[Outgoing]) -> bytes:
    """The payload of an outbox row: a JSON list of messages, as every release reads it."""
    return b"[" + b", ".join(message.as_entry() for message in messages) + b"]"


def read_row(row: list[dict[str, Any]]) -> list[Outgoing]:
    """The messages of an outbox row."""
    return [
        Outgoing(
            entry["subject"],
            entry["stream"],
            entry["headers"],
            escaped(json.dumps(entry["data"], ensure_ascii=False)).encode(),
        )
        for entry in row
    ]
