"""The headers of every message: CloudEvents 1.0 in NATS binary mode, with extensions of ours.

Source of the names: the CloudEvents NATS protocol binding (prefix `ce-`), the W3C trace context
(`traceparent`) and NATS itself (`Nats-Msg-Id`, by which a stream drops repeats; the error headers
are those of the NATS services convention).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, ValidationError

from contracts.base import Id, Model, Moment
from contracts.errors import Invalid

ID = "ce-id"
TYPE = "ce-type"
SOURCE = "ce-source"
TIME = "ce-time"
SUBJECT = "ce-subject"
SPEC_VERSION = "ce-specversion"
ACCOUNT = "ce-account"
CORRELATION = "ce-correlationid"
CAUSATION = "ce-causationid"
TURN = "ce-turnid"
"""Set on events of orchestrated tasks: the turn that they belong to."""
DEADLINE = "ce-deadline"
"""Set on requests, and on commands whose outcome somebody waits for: until when."""
SPENDER = "ce-spender"
"""Set on all that follows from a request with a credential that may spend so much: its id."""
TRACEPARENT = "traceparent"
DEDUPLICATION = "Nats-Msg-Id"
CONTENT_TYPE = "content-type"
ERROR_CODE = "Nats-Service-Error-Code"
ERROR_TEXT = "Nats-Service-Error"
ERROR_REQUIRED = "Bazaar-Error-Required"
"""Set on the refusal `PaymentRequired`: how many BazaarBucks are needed, when that is known."""
ERROR_WAIT = "Bazaar-Error-Wait"
"""Set on the refusal `Unavailable`: after how many seconds to ask again, when that is known."""
ERROR_BUSY = "Bazaar-Error-Busy"
"""Set on the refusal `Busy`, whose code then says what it is to who does not know it."""

DEFAULT_ACCOUNT = "demo"

MessageId = Annotated[str, Field(min_length=1, max_length=128)]
Word = Annotated[str, Field(max_length=128)]
"""Envelopes are copied from message to message, so one that grew would spoil all that follow."""


class Envelope(Model):
    """What a message says about itself, apart from its body.

    Attributes:
        id: unique per message; the inbox and the streams recognise a repeat by it.
        type: name and version, such as `step.completed.v1`.
        source: the context that published it.
        time: when it was published.
        subject: the entity it is about.
        account: whose money and data it concerns.
        correlation_id: shared by everything that one request of a person set in motion.
        causation_id: id of the message whose handling published this one.
        traceparent: W3C trace context, passed on as it came.
        turn_id: the turn of a conversation that an event of a task belongs to.
        deadline: until when somebody waits for what comes of it; what was not begun by then is
            not begun. Clocks have to agree as far as that matters.
        spender: the credential with limits that it follows from; what is spent counts there.
    """

    id: MessageId
    type: Word
    source: Word
    time: Moment
    subject: Word
    account: Id = DEFAULT_ACCOUNT
    correlation_id: MessageId
    causation_id: Word | None = None
    traceparent: Word | None = None
    turn_id: Word | None = None
    deadline: Moment | None = None
    spender: Word | None = None

    def is_over(self) -> bool:
        """Whether nobody waits any more for what comes of it."""
        return self.deadline is not None and self.deadline < datetime.now(UTC)

    def for_ever(self) -> "Envelope":
        """The same without a deadline: what was begun is finished."""
        return self.model_copy(update={"deadline": None}) if self.deadline else self

    def headers(self) -> dict[str, str]:
        """The NATS headers that carry this envelope."""
        found = {
            SPEC_VERSION: "1.0",
            ID: self.id,
            DEDUPLICATION: self.id,
            TYPE: self.type,
            SOURCE: self.source,
            TIME: _written(self.time),
            SUBJECT: self.subject,
            ACCOUNT: self.account,
            CORRELATION: self.correlation_id,
            CONTENT_TYPE: "application/json",
        }
        if self.causation_id:
            found[CAUSATION] = self.causation_id
        if self.turn_id:
            found[TURN] = self.turn_id
        if self.deadline:
            found[DEADLINE] = _written(self.deadline)
        if self.spender:
            found[SPENDER] = self.spender
        if self.traceparent:
            found[TRACEPARENT] = self.traceparent
        return found


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def read_envelope(headers: Mapping[str, str], *, fallback_id: str) -> Envelope:
    """Read the envelope of a received message; a hand-made message may lack most of it.

    Args:
        headers: the NATS headers as received.
        fallback_id: the id to use when the message brings none (its place in the stream).

    Raises:
        Invalid: a header is longer than an envelope's, names no possible account or no time.
    """
    try:
        return _read(headers, fallback_id)
    except ValidationError as error:
        wrong = ", ".join(str(one["loc"][0]) for one in error.errors(include_url=False))
        raise Invalid(f"The envelope is not valid: {wrong}.") from None


def _read(headers: Mapping[str, str], fallback_id: str) -> Envelope:
    id_ = headers.get(ID) or headers.get(DEDUPLICATION) or fallback_id
    return Envelope(
        id=id_,
        type=headers.get(TYPE, "unknown"),
        source=headers.get(SOURCE, "unknown"),
        time=datetime.now(UTC),
        subject=headers.get(SUBJECT, ""),
        account=headers.get(ACCOUNT) or DEFAULT_ACCOUNT,
        correlation_id=headers.get(CORRELATION) or id_,
        causation_id=headers.get(CAUSATION),
        traceparent=headers.get(TRACEPARENT),
        turn_id=headers.get(TURN),
        deadline=headers.get(DEADLINE),
        spender=headers.get(SPENDER),
    )
