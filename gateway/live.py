"""An event of the stream on its way to those who read along, as server-sent events carry it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic_core import from_json, to_json

from chassis.observability.terminal import escaped_bytes
from contracts import envelope
from contracts.base import PASSING

PREFIX = "bazaar.evt."
NOTICE = "notice"
"""The kind of an event about the stream itself."""


@dataclass(slots=True)
class LiveEvent:
    """An event as it lies in the stream, or passes.

    Attributes:
        sequence: its place in the stream, the `id` that a reader resumes by; None when it only
            passes, so that a reader's place stays where it was.
        noun: what it is about: `step` of `bazaar.evt.step.completed.<task>`.
        entity: the last token of the subject: the task's id wherever there is one.
        account: whose it is.
    """

    sequence: int | None
    noun: str
    entity: str
    account: str
    headers: Mapping[str, str]
    body: bytes
    _frame: bytes | None = field(default=None, init=False)

    def frame(self) -> bytes:
        """The event as it is sent; made once, whoever else reads it.

        A body that is no JSON object (somebody published it by hand) is shown as null.
        """
        if self._frame is None:
            place = b"" if self.sequence is None else b"id: %d\n" % self.sequence
            self._frame = b"%sdata: %s\n\n" % (place, self._json())
        return self._frame

    def _json(self) -> bytes:
        try:
            data = from_json(self.body)
        except ValueError:
            data = None
        known = data if isinstance(data, dict) else {}
        type_, _, version = self.headers.get(envelope.TYPE, "unknown.v1").rpartition(".v")
        shown = to_json(
            {
                "type": type_,
                "version": int(version) if version.isdecimal() else 1,
                "id": self.headers.get(envelope.ID) or str(self.sequence or ""),
                "time": self.headers.get(envelope.TIME),
                "subject": self.entity,
                "taskId": known.get("taskId"),
                "turnId": self.headers.get(envelope.TURN),
                "service": self.headers.get(envelope.SOURCE),
                "cause": self.headers.get(envelope.CAUSATION),
                "data": data,
            }
        )
        return escaped_bytes(shown)


def passes(subject: str) -> bool:
    """Whether an event on this subject is not kept in the stream."""
    return subject.split(".")[4:5] == [PASSING]


def live_event(
    sequence: int | None, subject: str, headers: Mapping[str, str] | None, body: bytes
) -> LiveEvent:
    """An event from the parts of a message; `sequence` None when no stream keeps it."""
    noun, _, rest = subject.removeprefix(PREFIX).partition(".")
    headers = headers or {}
    account = headers.get(envelope.ACCOUNT) or envelope.DEFAULT_ACCOUNT
    return LiveEvent(sequence, noun, rest.rpartition(".")[2], account, headers, body)


def position(sequence: int, comment: str, retry_ms: int | None = None) -> bytes:
    """Moves a reader's `Last-Event-ID` on without an event; also a sign of life."""
    retry = b"retry: %d\n" % retry_ms if retry_ms is not None else b""
    return b": %s\n%sid: %d\n\n" % (comment.encode(), retry, sequence)


def notice(name: str, sentence: str) -> bytes:
    """An event about the stream itself; it has no id, so it does not count for resuming."""
    said = to_json({"notice": name, "message": sentence})
    return b"event: %s\ndata: %s\n\n" % (NOTICE.encode(), said)
