"""What happens around every handler: envelope, errors, counting, acknowledgement, dead letters.

Requests get their refusals as error headers. Messages of durables are acknowledged after the
commit, tried again with growing delay, and put aside when it will not get better.
"""

import asyncio
import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import structlog
from fast_depends.exceptions import ValidationError as ArgumentError
from faststream import BaseMiddleware, Depends
from nats.errors import Error as NatsError
from opentelemetry.trace import SpanKind
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from chassis import metrics, telemetry
from chassis.away import is_away, is_unstorable
from chassis.database import AlreadyHandled, Database, Transaction
from chassis.dead_letters import bury
from chassis.given import Given
from chassis.replies import as_refusal, refused, weighed
from contracts import numbers
from contracts.envelope import Envelope, read_envelope
from contracts.errors import (
    Conflict,
    Internal,
    Invalid,
    NotFound,
    Refusal,
    TooSlow,
    Unavailable,
)
from contracts.provenance import REQUEST, answerable, check_message, check_request
from contracts.topology import DURABLES, Durable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from faststream.message import StreamMessage
    from nats.aio.msg import Msg

log = structlog.get_logger()

HOPELESS = (Invalid, NotFound, Conflict, ValidationError, ArgumentError)
"""What another attempt cannot mend."""
OUTAGE_DELAY_S = 5.0
"""The longest that a message waits between two looks for a database or service that is away."""
_DURABLES = {durable.name: durable for durable in DURABLES}


class Unfinished(Exception):
    """Deliveries of a message have ended without an outcome, and nobody knows why."""

    loggable = True


class Later(Exception):
    """Raised by a handler to have its message delivered again after `delay_s`, then later.

    Does not count as a failure in the log; the consumer's attempts still bound it. With `exactly`
    the delay is what somebody else asked for, and is kept to.
    """

    GROWTH = 1.3
    AT_MOST_S = 15.0

    def __init__(self, delay_s: float, why: str, *, exactly: bool = False) -> None:
        """Ask for another delivery in `delay_s` seconds."""
        super().__init__(why)
        self._delay_s = delay_s
        self._exactly = exactly

    def after(self, deliveries: int) -> float:
        """Seconds until the next delivery after the n-th."""
        if self._exactly:
            return self._delay_s
        return min(self.AT_MOST_S, self._delay_s * self.GROWTH ** (deliveries - 1))


def retry_delay_s(deliveries: int) -> float:
    """Seconds until the next delivery after the n-th came to nothing: 0.2, 0.4, ... 30."""
    return float(min(30.0, 0.2 * 2 ** (min(max(1, deliveries), 10) - 1)))


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


Tx = Annotated[Transaction, Depends(transaction)]
"""The transaction of a request; it commits before the reply leaves."""
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
        if meta.num_delivered > 1:
            metrics.REDELIVERIES.labels(durable.name).inc()
        try:
            here = read_envelope(
                raw.headers or {}, fallback_id=f"{meta.stream}-{meta.sequence.stream}"
            )
            check_message(raw.subject, here)
        except Invalid as error:
            await bury(raw, durable, meta.num_delivered, error)
            metrics.MESSAGES.labels(durable.name, "dead").inc()
            return None
        about = _about(here, raw) | {
            "messaging.consumer.group.name": durable.name,
            "bazaar.delivery": meta.num_delivered,
        }
        name = f"process {telemetry.kind_of(raw.subject)}"
        with (
            telemetry.within(name, SpanKind.CONSUMER, here, about) as here,
            self.context.scope("envelope", here),
            self.context.scope("durable", durable),
        ):
            _name_in_logs(here, raw)
            with metrics.MESSAGE_SECONDS.labels(durable.name).time():
                outcome = await self._settle(call_next, msg, raw, durable, meta.num_delivered)
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
                answer = weighed(await call_next(msg))
            except Exception as error:  # noqa: BLE001  (whatever it is, who asked gets an answer)
                refusal = as_refusal(error, context)
                metrics.REQUESTS.labels(asked, refusal.code).inc()
                telemetry.outcome(refusal.code, failed=refusal.code >= Internal.code)
                return refused(refusal)
            metrics.REQUESTS.labels(asked, 200).inc()
            telemetry.outcome(200)
            return answer

    async def _settle(
        self, call_next: Any, msg: "StreamMessage[Any]", raw: "Msg", durable: Durable, tries: int
    ) -> str:
        """Handle a message and settle it; returns what came of it, as `metrics.MESSAGES` says."""
        if tries > durable.attempts:
            return await bury(raw, durable, tries, Unfinished("delivered too often"))
        alive = asyncio.create_task(_sign_of_life(raw, durable.ack_wait_s / 3))
        try:
            await _outlast(call_next, msg, durable)
        except AlreadyHandled:
            await raw.ack()
            return "repeat"
        except Later as error:
            return await _again(raw, durable, tries, error.after(tries), error)
        except Exception as error:  # noqa: BLE001  (whatever it is, the message must be settled)
            if isinstance(error, HOPELESS) or is_unstorable(error):
                return await bury(raw, durable, tries, error)
            level = log.warning if isinstance(error, (Refusal, DBAPIError)) else log.exception
            level("message failed", attempt=tries, error=error)
            delay_s = retry_delay_s(tries)
            if isinstance(error, Unavailable | TooSlow):
                # Another service is away: look again soon, so that its return is noticed.
                delay_s = min(OUTAGE_DELAY_S, delay_s)
            return await _again(raw, durable, tries, delay_s, error)
        else:
            await raw.ack()
            return "done"
        finally:
            alive.cancel()


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


async def _again(raw: "Msg", durable: Durable, tries: int, delay_s: float, error: Exception) -> str:
    if tries >= durable.attempts:
        return await bury(raw, durable, tries, error)
    await raw.nak(delay=delay_s)
    return "later" if isinstance(error, Later) else "again"


async def _outlast(call_next: Any, msg: "StreamMessage[Any]", durable: Durable) -> None:
    """Run the handler, for as long as it takes the database to come back when that is away.

    Such an outage is not the message's fault, so it costs none of its attempts.
    """
    for again in itertools.count(1):
        try:
            await call_next(msg)
        except Exception as error:
            if not is_away(error):
                raise
            log.warning("database unreachable", attempt=again, error=error)
            metrics.DATABASE_WAITS.labels(durable.name.split("-")[0]).inc()
        else:
            return
        await asyncio.sleep(min(OUTAGE_DELAY_S, retry_delay_s(again)))


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


async def _sign_of_life(raw: "Msg", every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        with suppress(NatsError):
            await raw.in_progress()
