"""What all messages share: the model base, amounts, events, commands, requests and pages."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
)
from pydantic.alias_generators import to_camel

MICRO = Decimal("0.000001")
MAX_AMOUNT = Decimal(1_000_000)
"""The largest single amount in BazaarBucks that any message may carry."""


class Model(BaseModel):
    """A message body: camelCase on the wire, immutable, unknown fields ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # It is somebody's, and errors are logged.
    )


_PLAIN = re.compile(r"(?!-0(\.0+)?$)-?(0|[1-9][0-9]*)(\.[0-9]+)?")


def _plain(amount: Any) -> Any:
    if isinstance(amount, bool) or (isinstance(amount, str) and not _PLAIN.fullmatch(amount)):
        raise ValueError('an amount is a number, or a text of digits such as "12.5"')
    return amount


PLAIN = BeforeValidator(_plain)
"""Refuses what Python reads as a number and people may not: `1_0`, ` 1`, `+1`, `1e3`, True."""
NO_MINUS_ZERO = AfterValidator(lambda amount: amount or abs(amount))
IN_DIGITS = PlainSerializer(lambda amount: format(amount, "f"), return_type=str, when_used="json")

Money = Annotated[
    Decimal,
    Field(ge=0, le=MAX_AMOUNT, max_digits=20, decimal_places=6),
    PLAIN,
    NO_MINUS_ZERO,
    IN_DIGITS,
]
"""An amount in BazaarBucks, at most six decimals; a string in messages."""


def to_micro(amount: Decimal) -> Decimal:
    """Round an amount to the six decimals that the ledger keeps, half to even."""
    return amount.quantize(MICRO, rounding=ROUND_HALF_EVEN)


def _as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_as_utc)]
"""A point in time, always in UTC with its offset on the wire."""

ID_FORM = r"^[A-Za-z0-9_-]+$"
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=ID_FORM)]
"""An identifier that is safe as the last token of a NATS subject."""

PASSING = "passing"
"""The token in the subjects of events that are not kept."""

Payload = dict[str, Any]
"""JSON that AgentBazaar passes on without knowing its shape."""


class Event(Model):
    """Something that happened. Published on `bazaar.evt.<noun>.<past-verb>.<entity id>`.

    Attributes:
        kept: whether the stream EVENTS keeps it; else it only passes, with one more token in its
            subject, `bazaar.evt.<noun>.<past-verb>.passing.<entity id>`.
    """

    type: ClassVar[str]
    version: ClassVar[int] = 1
    kept: ClassVar[bool] = True

    def entity_id(self) -> str:
        """The last token of the subject: the task's id wherever there is one."""
        raise NotImplementedError

    def subject(self) -> str:
        """The subject that this event is published on."""
        passing = "" if self.kept else f"{PASSING}."
        return f"bazaar.evt.{self.type}.{passing}{self.entity_id()}"


class TaskEvent(Event):
    """An event in the life of a task; `nats sub 'bazaar.evt.*.*.<taskId>'` shows them all."""

    task_id: Id

    def entity_id(self) -> str:
        """The task's id."""
        return self.task_id


class Command(Model):
    """A durable order to one context, kept until it is carried out.

    Published on `bazaar.cmd.<context>.<verb>.<entity id>`; `type` is `<context>.<verb>`.
    """

    type: ClassVar[str]
    version: ClassVar[int] = 1

    def entity_id(self) -> str:
        """The last token of the subject."""
        raise NotImplementedError

    def subject(self) -> str:
        """The subject that this command is published on."""
        return f"bazaar.cmd.{self.type}.{self.entity_id()}"


RequestT = TypeVar("RequestT", bound=Model)
ReplyT = TypeVar("ReplyT", bound=Model)


@dataclass(frozen=True, slots=True)
class Call(Generic[RequestT, ReplyT]):
    """A request/reply between services: one request model, one reply model, one time-out.

    Attributes:
        context: the service that answers.
        verb: what is asked; the subject is `bazaar.rpc.<context>.<verb>`.
        request: model of the request's body.
        reply: model of the reply's body.
        timeout_ms: how long the caller waits before it calls the service unresponsive.
    """

    context: str
    verb: str
    request: type[RequestT]
    reply: type[ReplyT]
    timeout_ms: int = 5_000

    @property
    def subject(self) -> str:
        """The subject that requests are sent to."""
        return f"bazaar.rpc.{self.context}.{self.verb}"


class Page(Model):
    """Which part of a list is wanted: the newest `limit` items, or those before `cursor`."""

    limit: int = Field(default=100, ge=1, le=500)
    cursor: str | None = Field(default=None, max_length=200)


class Ping(Model):
    """Asks a service whether it answers and reaches its database."""


class Pong(Model):
    """A service's answer to a ping.

    Attributes:
        service: its context.
        version: its release.
        details: what it tells about itself, such as adapters in use.
        instance: the process that answers, which tells what it has in hand (`contracts.hands`);
            None of one of release 0.2.0.
    """

    service: str
    version: str
    details: dict[str, str] = Field(default_factory=dict)
    instance: Id | None = None


def ping_call(context: str) -> Call[Ping, Pong]:
    """The health call of a context, answered by every replica's queue group."""
    return Call(context, "ping", Ping, Pong, timeout_ms=900)
