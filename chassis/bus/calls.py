"""Typed calls between services over NATS, and how their answers and refusals travel."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.errors import (
    ConnectionClosedError,
    ConnectionDrainingError,
    NoRespondersError,
)
from nats.errors import TimeoutError as NatsTimeout
from opentelemetry.trace import SpanKind
from pydantic import TypeAdapter, ValidationError

from chassis.bus.envelopes import caused_by
from chassis.bus.watching import Watch
from chassis.observability import telemetry
from chassis.observability.metrics import ASKED
from chassis.observability.terminal import escaped, one_line
from contracts.base import Call, Model, Money, ReplyT, RequestT
from contracts.changes import TELLS
from contracts.envelope import (
    CONTENT_TYPE,
    ERROR_BUSY,
    ERROR_CODE,
    ERROR_REQUIRED,
    ERROR_TEXT,
    ERROR_WAIT,
    Envelope,
)
from contracts.errors import (
    Busy,
    Internal,
    Invalid,
    PaymentRequired,
    Refusal,
    TooSlow,
    Unavailable,
    refusal,
)
from contracts.shown import AS_SHOWN

log = structlog.get_logger()

AMOUNT: TypeAdapter[Decimal] = TypeAdapter(Money)
SECONDS = re.compile(r"[0-9]{1,6}")
UNREACHABLE = "The message bus is not reachable."
HEADERS_BYTES = 4096
"""Room for an envelope: the server counts headers too, and cuts off whoever sends too much."""
REPLIED = {CONTENT_TYPE: "application/json", TELLS: "true"}
"""Headers of a reply that is no refusal."""
MAX_MESSAGE_BYTES = 7 * 1024 * 1024
"""The most that a message may weigh; the server's max_payload is 8 MiB."""


ToldT = TypeVar("ToldT")


class Reply(NamedTuple):
    """What whoever asked gets, as it travels."""

    body: bytes
    headers: dict[str, str]


class Bus:
    """Typed requests to other services, on the connection of a service's broker."""

    def __init__(
        self,
        broker: NatsBroker,
        source: str,
        answered: Callable[[str, Mapping[str, str]], None] = lambda _context, _headers: None,
    ) -> None:
        """Use `broker`'s connection; `source` is the context that asks.

        `answered` is called for each reply, with the context that gave it and its headers.
        """
        self._broker = broker
        self._answered = answered
        self._source = source
        self._watch = Watch()

    async def client(self) -> Client:
        """The NATS connection itself, connecting first when need be."""
        return await self._broker.connect()

    async def ask(
        self,
        call: Call[RequestT, ReplyT],
        request: RequestT,
        cause: Envelope,
        *,
        timeout_ms: int | None = None,
    ) -> ReplyT:
        """Send a request to the context that answers `call` and wait for its reply.

        Args:
            call: what is asked of whom.
            request: its body.
            cause: the message or HTTP request on whose behalf; account and trace come from it, and
                when it has a deadline, nobody waits for longer.
            timeout_ms: instead of the call's own.

        Raises:
            Invalid: the request is larger than the server takes.
            Unavailable: nobody answers this call now, or the bus itself is not reachable.
            TooSlow: no answer in time; what came of it is unknown.
            Refusal: the typed refusal that the service answered with.
        """
        return await self._told(call, request, cause, read_reply, timeout_ms=timeout_ms)

    async def ask_shown(
        self, call: Call[RequestT, ReplyT], request: RequestT, cause: Envelope
    ) -> Reply:
        """`ask` for a list as the API shows it; the reply as it came.

        Its headers say whether it is written so (`contracts.shown`); else it is the call's reply.
        """
        return await self._told(call, request, cause, _as_it_came, {AS_SHOWN: "true"})

    async def _told(
        self,
        call: Call[RequestT, ReplyT],
        request: RequestT,
        cause: Envelope,
        read: Callable[[Call[RequestT, ReplyT], Reply], ToldT],
        wanted: Mapping[str, str] = MappingProxyType({}),
        *,
        timeout_ms: int | None = None,
    ) -> ToldT:
        """Ask, and read the reply; how it ended is counted."""
        name = f"ask {call.subject}"
        with telemetry.within(name, SpanKind.CLIENT, cause, {"peer.service": call.context}) as here:
            try:
                found = read(call, await self._ask(call, request, here, wanted, timeout_ms))
            except Refusal as error:
                ASKED.labels(f"{call.context}.{call.verb}", error.code).inc()
                telemetry.outcome(error.code)
                raise
            ASKED.labels(f"{call.context}.{call.verb}", 200).inc()
            telemetry.outcome(200)
            return found

    async def _ask(
        self,
        call: Call[RequestT, ReplyT],
        request: RequestT,
        cause: Envelope,
        wanted: Mapping[str, str],
        timeout_ms: int | None,
    ) -> Reply:
        client = await self.client()
        if not client.is_connected:
            raise Unavailable(UNREACHABLE, loggable=True)
        body = encoded(request)
        if len(body) > client.max_payload - HEADERS_BYTES:
            raise Invalid("The request is too large for the message bus.")
        now = datetime.now(UTC)
        until = now + timedelta(milliseconds=timeout_ms or call.timeout_ms)
        if cause.deadline is not None:
            until = min(until, cause.deadline)
        if until <= now:
            raise TooSlow(f"Nobody waits any more for the {call.context} service.", loggable=True)
        verb = f"{call.context}.{call.verb}"
        envelope = caused_by(cause, self._source, verb, "", None, deadline=until)
        try:
            asked = client.request(
                call.subject,
                body,
                timeout=(until - now).total_seconds(),
                headers={**envelope.headers(), **wanted},
            )
            answer = await self._watch.reply(asked, client, call.context, envelope.id)
        except NoRespondersError:
            raise Unavailable(f"The {call.context} service is down.", loggable=True) from None
        except NatsTimeout:
            text = f"The {call.context} service did not answer in time."
            raise TooSlow(text, loggable=True) from None
        except (ConnectionClosedError, ConnectionDrainingError, OSError):
            raise Unavailable(UNREACHABLE, loggable=True) from None
        headers = answer.headers or {}
        self._answered(call.context, headers)
        return Reply(answer.data, headers)

    async def reply(self, to: str, answer: Model | Refusal) -> None:
        """Answer a request in the stead of the replica that took it, which may have died.

        Nothing comes of it when nobody waits there any more.

        Args:
            to: the subject that the request asked to be answered on.
            answer: what the caller gets.
        """
        if isinstance(answer, Refusal):
            await self.send(to, Reply(b"", refusal_headers(answer)))
        else:
            await self.send(to, Reply(encoded(answer), REPLIED))

    async def send(self, to: str, reply: Reply) -> None:
        """Send a reply as it travels."""
        client = await self.client()
        await client.publish(to, reply.body, headers=reply.headers)


def read_reply(call: Call[RequestT, ReplyT], reply: Reply) -> ReplyT:
    """A reply as the call's model.

    Raises:
        Refusal: it is one.
        Internal: it has another shape.
    """
    body, _ = _as_it_came(call, reply)
    try:
        return call.reply.model_validate_json(body)
    except ValidationError as error:
        text = f"The {call.context} service gave an answer of another shape."
        raise Internal(text, loggable=True) from error


def _as_it_came(_call: object, reply: Reply) -> Reply:
    if refused := refusal_in(reply.headers):
        raise refused
    return reply


def refusal_in(headers: Mapping[str, str]) -> Refusal | None:
    """The refusal that an answer is, by its headers; None when it is none."""
    code = headers.get(ERROR_CODE)
    if not code:
        return None
    text = headers.get(ERROR_TEXT) or "no reason given"
    if ERROR_BUSY in headers:
        return Busy(text)
    found = refusal(int(code) if code.isdecimal() else 500, text)
    if isinstance(found, PaymentRequired):
        found.required = _amount(headers.get(ERROR_REQUIRED, ""))
    if isinstance(found, Unavailable):
        found.wait_s = _seconds(headers.get(ERROR_WAIT, ""))
    return found


def _amount(text: str) -> Decimal | None:
    try:
        return AMOUNT.validate_python(text)
    except ValidationError:
        return None


def _seconds(text: str) -> float | None:
    return float(text) if SECONDS.fullmatch(text) else None


def refusal_headers(refused: Refusal) -> dict[str, str]:
    """A refusal as it travels."""
    busy = isinstance(refused, Busy)
    required = refused.required if isinstance(refused, PaymentRequired) else None
    wait_s = refused.wait_s if isinstance(refused, Unavailable) else None
    return {
        ERROR_CODE: str(Unavailable.code if busy else refused.code),
        ERROR_TEXT: one_line(refused.message)[:1000],
        **({ERROR_BUSY: "true"} if busy else {}),
        **({} if required is None else {ERROR_REQUIRED: f"{required:f}"}),
        **({} if wait_s is None else {ERROR_WAIT: str(ceil(wait_s))}),
    }


def encoded(model: Model) -> bytes:
    """A model's JSON as it travels; also a terminal may show it."""
    return escaped(model.model_dump_json()).encode()
