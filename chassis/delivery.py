"""What happens around every handler: envelope, transaction, errors, counting, settling.

Requests get their refusals as error headers. Messages of durables are acknowledged after the
commit, and settled (`chassis.settling`) however they end.
"""

from typing import TYPE_CHECKING, Annotated, Any

import structlog
from faststream import BaseMiddleware, Depends
from opentelemetry.trace import SpanKind

from chassis import metrics, telemetry
from chassis.database import Database, Transaction
from chassis.dead_letters import bury
from chassis.given import Given
from chassis.patience import Later
from chassis.replies import as_refusal, refused, weighed
from chassis.settling import Settling, tries_of
from contracts import numbers
from contracts.envelope import Envelope, read_envelope
from contracts.errors import Internal, Invalid, TooSlow
from contracts.provenance import REQUEST, answerable, check_message, check_request
from contracts.topology import DURABLES, Durable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from faststream.message import StreamMessage
    from nats.aio.msg import Msg

__all__ = ["Delivery", "Effect", "Here", "Later", "Reading", "Tx", "decoded"]

log = structlog.get_logger()

_DURABLES = {durable.name: durable for durable in DURABLES}


async def transaction(
    db: Annotated[Database, Given("db")], here: Annotated[Envelope, Given("envelope")]
) -> "AsyncIterator[Transaction]":
    """FastStream dependency: one transaction around a request's handler."""
    async with db.transaction(here, begins=True) as tx:
        yield tx


async def effect(
    db: Annotated[Database, Given("db")],
    here: Annotated[Envelope, Given("envelope")],
    durable: Annotated[Durable, Given("durable")],
) -> "AsyncIterator[Transaction]":
    """FastStream dependency: one transaction with the inbox row of a durable's message."""
    async with db.effect(durable.name, here) as tx:
        yield tx


async def reading(
    db: Annotated[Database, Given("db")],
) -> "AsyncIterator[Transaction]":
    """FastStream dependency: a transaction around a request's handler that only looks."""
    async with db.transaction() as tx:
        yield tx


Tx = Annotated[Transaction, Depends(transaction)]
"""The transaction of a request; it commits before the reply leaves."""
Reading = Annotated[Transaction, Depends(reading)]
"""That of a request that changes nothing: nobody is told that something changed."""
Effect = Annotated[Transaction, Depends(effect)]
"""The transaction of a consumed message, with its inbox row: the effect happens exactly once."""
Here = Annotated[Envelope, Given("envelope")]
"""The envelope of the message being handled."""


class Delivery(BaseMiddleware[Any, Any]):
    """Sets the context for a handler and settles the message afterwards."""

    async def consume_scope(self, call_next: Any, msg: "StreamMessage[Any]") -> Any:
        """Run the handler; answer refusals, acknowledge, retry or bury durable messages."""
        raw: Msg = msg.raw_message
        if raw.subject.startswith(REQUEST):
            return await self._answer(call_next, msg, raw)
        meta = raw.metadata
        durable = _DURABLES[meta.consumer]
        if durable.only_with and durable.only_with not in (raw.headers or {}):
            await raw.ack()
            metrics.MESSAGES.labels(durable.name, "passed_over").inc()
            return None
        tries = tries_of(raw)
        if tries > 1:
            metrics.REDELIVERIES.labels(durable.name).inc()
        try:
            here = read_envelope(
                raw.headers or {}, fallback_id=f"{meta.stream}-{meta.sequence.stream}"
            )
            check_message(raw.subject, here)
        except Invalid as error:
            await bury(raw, durable, tries, error)
            metrics.MESSAGES.labels(durable.name, "dead").inc()
            return None
        about = _about(here, raw) | {
            "messaging.consumer.group.name": durable.name,
            "bazaar.delivery": tries,
        }
        name = f"process {telemetry.kind_of(raw.subject)}"
        with (
            telemetry.within(name, SpanKind.CONSUMER, here, about) as here,
            self.context.scope("envelope", here),
            self.context.scope("durable", durable),
        ):
            _name_in_logs(here, raw)
            room, told = self.context.get("waiting"), self.context.get("buried")
            with metrics.MESSAGE_SECONDS.labels(durable.name).time():
                settling = Settling(raw, durable, here, room, told)
                outcome = await settling.settle(lambda: call_next(msg))
            telemetry.outcome(outcome, failed=outcome in {"again", "dead"})
        metrics.MESSAGES.labels(durable.name, outcome).inc()
        return None

    async def _answer(self, call_next: Any, msg: "StreamMessage[Any]", raw: "Msg") -> Any:
        try:
            check_request(raw.subject, raw.headers or {}, raw.reply)
            here = read_envelope(raw.headers or {}, fallback_id=f"request-{id(raw):x}")
        except Invalid as error:
            log.warning("request refused", subject=raw.subject, why=error.message)
            if not answerable(raw.reply):
                msg.reply_to = ""  # Whatever is sent there would count as an acknowledgement.
            return refused(error)
        _name_in_logs(here, raw)
        context, verb = raw.subject.split(".")[2:4]
        asked = f"{context}.{verb}"
        with (
            telemetry.within(
                f"answer {telemetry.kind_of(raw.subject)}", SpanKind.SERVER, here, _about(here, raw)
            ) as here,
            self.context.scope("envelope", here),
            metrics.REQUEST_SECONDS.labels(asked).time(),
        ):
            try:
                _check_time(here, context, verb)
                answer = weighed(await call_next(msg))
            except Exception as error:  # noqa: BLE001  (whatever it is, who asked gets an answer)
                refusal = as_refusal(error, context)
                metrics.REQUESTS.labels(asked, refusal.code).inc()
                telemetry.outcome(refusal.code, failed=refusal.code >= Internal.code)
                return refused(refusal)
            finally:  # Whoever has the reply may ask others at once.
                await self.context.get("changes").tell()
            metrics.REQUESTS.labels(asked, 200).inc()
            telemetry.outcome(200)
            return answer


def _check_time(here: Envelope, context: str, verb: str) -> None:
    """Make sure that somebody still waits for the answer; a ping tells that, so it has time.

    Raises:
        TooSlow: the deadline is over. Whoever listens yet, by a clock that is late, is told so.
    """
    if here.is_over() and verb != "ping":
        raise TooSlow(f"The {context} service did not answer in time.")


def _about(here: Envelope, raw: "Msg") -> dict[str, str | int]:
    """What a span says of its message."""
    return {
        "messaging.system": "nats",
        "messaging.destination.name": raw.subject,
        "messaging.message.id": here.id,
        "bazaar.correlation_id": here.correlation_id,
    }


def _name_in_logs(here: Envelope, raw: "Msg") -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(
        correlation_id=here.correlation_id, subject=raw.subject, account=here.account
    )


async def decoded(msg: "StreamMessage[Any]", decode: Any) -> Any:
    """FastStream decoder: the body's JSON.

    Raises:
        Invalid: it is none, or has a number that would become another one; FastStream's own error
            would count as one that may pass.
    """
    try:
        body = await decode(msg)
    except (ValueError, RecursionError):
        raise Invalid("The body is not JSON.") from None
    try:
        numbers.check(msg.body)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"The body's JSON cannot be taken: {error}.") from None
    return body
