"""Making envelopes: who caused what, for whom, under which trace."""

import json
import secrets
import uuid
from datetime import UTC, datetime

from opentelemetry.trace import SpanKind
from pydantic_core import PydanticSerializationError

from chassis.observability import telemetry
from chassis.observability.terminal import escaped
from chassis.outbox.outgoing import Outgoing
from contracts.base import Command, Event
from contracts.envelope import DEFAULT_ACCOUNT, Envelope

STREAM_OF = {"evt": "EVENTS", "cmd": "COMMANDS"}


def new_id() -> str:
    """A fresh message id: 128 random bits in hex. The form of a UUID costs more than they do."""
    return secrets.token_hex(16)


def derived_id(*parts: object) -> str:
    """The id of a message that is the same message however often it is published.

    The stream drops a repeat that comes within two minutes, and the inboxes know any other.

    Args:
        parts: what the message is about, and what it is.
    """
    return uuid.uuid5(uuid.NAMESPACE_OID, "/".join(map(str, parts))).hex


def origin(
    source: str, type_: str, account: str = DEFAULT_ACCOUNT, id_: str | None = None
) -> Envelope:
    """The envelope of something that no message caused: a request from outside, a timer.

    Its id is made up, unless it has one already.

    Its trace is that of the span that is open here. When none is, the first span that comes of it
    begins one; without spans its trace is made up, for those who trace around us.
    """
    id_ = id_ or new_id()
    made_up = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    return Envelope(
        id=id_,
        type=type_,
        source=source,
        time=datetime.now(UTC),
        subject="",
        account=account,
        correlation_id=id_,
        traceparent=telemetry.current() if telemetry.provider() else made_up,
    )


def caused_by(
    cause: Envelope | None,
    source: str,
    type_: str,
    subject: str,
    account: str | None,
    *,
    message_id: str | None = None,
    turn_id: str | None = None,
    deadline: datetime | None = None,
) -> Envelope:
    """The envelope of a message published while `cause` was being handled.

    Args:
        cause: what is being handled; None for what begins by itself.
        source: the context that publishes.
        type_: name and version.
        subject: the entity that it is about.
        account: whom it concerns, when not the account of the cause.
        message_id: instead of a fresh one.
        turn_id: the turn that it belongs to.
        deadline: until when somebody waits for what comes of it.
    """
    cause = cause or origin(source, type_)
    return Envelope(
        id=message_id or new_id(),
        type=type_,
        source=source,
        time=datetime.now(UTC),
        subject=subject,
        account=account or cause.account,
        correlation_id=cause.correlation_id,
        causation_id=cause.id,
        traceparent=cause.traceparent,
        turn_id=turn_id,
        deadline=deadline,
        spender=cause.spender if account in (None, cause.account) else None,
    )


def enclose(
    message: Event | Command,
    source: str,
    cause: Envelope | None,
    account: str | None,
    deadline: datetime | None = None,
    message_id: str | None = None,
) -> Outgoing:
    """A message as it leaves: where it goes, its headers and its JSON."""
    envelope = caused_by(
        cause,
        source,
        f"{message.type}.v{message.version}",
        message.entity_id(),
        account,
        message_id=message_id,
        turn_id=getattr(message, "turn_id", None),
        deadline=deadline,
    )
    subject = message.subject()
    about = {"messaging.destination.name": subject, "messaging.message.id": envelope.id}
    create = f"create {telemetry.kind_of(subject)}"
    with telemetry.within(create, SpanKind.PRODUCER, envelope, about) as created:
        headers = created.headers()
    return Outgoing(subject, STREAM_OF[subject.split(".", 2)[1]], headers, _body(message))


def _body(message: Event | Command) -> bytes:
    try:
        return escaped(message.model_dump_json()).encode()
    except PydanticSerializationError:  # Half a character, which Python's JSON can write.
        return escaped(json.dumps(message.model_dump(mode="json"), ensure_ascii=False)).encode()
