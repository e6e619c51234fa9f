"""What happens around every handler: envelope, transaction, errors, counting, settling.

Requests get their refusals as error headers. Messages of durables are acknowledged after the
commit, and settled (`chassis.handling.settling`) however they end.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from opentelemetry.trace import SpanKind

from chassis.bus.calls import Bus, Reply
from chassis.bus.changes import Changes
from chassis.db.database import Database
from chassis.handling.dead_letters import Tell, bury
from chassis.handling.injection import Handler
from chassis.handling.replies import as_refusal, refused, weighed
from chassis.handling.settling import Settling, tries_of
from chassis.handling.waiting import WaitingRoom
from chassis.observability import metrics, telemetry
from contracts.envelope import Envelope, read_envelope
from contracts.errors import Internal, Invalid, TooSlow
from contracts.provenance import answerable, check_message, check_request
from contracts.shown import AS_SHOWN
from contracts.topology import Durable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answering:
    """Answers the requests of one call."""

    handler: Handler
    db: Database
    bus: Bus
    changes: Changes

    async def __call__(self, raw: Msg) -> None:
        """Answer a request."""
        reply = await self._answer(raw)
        if answerable(raw.reply):  # Whatever is sent elsewhere counts as an acknowledgement.
            try:
                await self.bus.send(raw.reply, reply)
            except (NatsError, OSError) as error:
                log.warning("nobody was answered", subject=raw.subject, error=error)

    async def _answer(self, raw: Msg) -> Reply:
        headers = raw.headers or {}
        try:
            check_request(raw.subject, headers, raw.reply)
            here = read_envelope(headers, fallback_id=f"request-{id(raw):x}")
        except Invalid as error:
            log.warning("request refused", subject=raw.subject, why=error.message)
            return refused(error)
        _name_in_logs(here, raw)
        context, verb = raw.subject.split(".")[2:4]
        asked = f"{context}.{verb}"
        name = f"answer {telemetry.kind_of(raw.subject)}"
        with (
            telemetry.within(name, SpanKind.SERVER, here, _about(here, raw)) as here,
            metrics.REQUEST_SECONDS.labels(asked).time(),
        ):
            try:
                _check_time(here, context, verb)
                answer = weighed(await self._handle(raw, here), shown=AS_SHOWN in headers)
            except Exception as error:  # noqa: BLE001  (whatever it is, who asked gets an answer)
                refusal = as_refusal(error, context)
                log.info("refused", call=asked, code=refusal.code)
                metrics.REQUESTS.labels(asked, refusal.code).inc()
                telemetry.outcome(refusal.code, failed=refusal.code >= Internal.code)
                return refused(refusal)
            finally:  # Whoever has the reply may ask others at once.
                await self.changes.tell()
            metrics.REQUESTS.labels(asked, 200).inc()
            telemetry.outcome(200)
            return answer

    async def _handle(self, raw: Msg, here: Envelope) -> object:
        """Run the handler; if it takes a transaction, that commits before the reply leaves."""
        body = self.handler.read(raw.data)
        if self.handler.tx is None:
            return await self.handler(body, here, raw.reply)
        reads = self.handler.reads
        async with self.db.transaction(
            None if reads else here, begins=not reads, reads=reads
        ) as tx:
            return await self.handler(body, here, raw.reply, tx)


@dataclass(frozen=True, slots=True)
class Consuming:
    """Handles the messages of one durable."""

    durable: Durable
    handler: Handler
    db: Database
    room: WaitingRoom
    told: Mapping[str, Tell]

    async def __call__(self, raw: Msg) -> None:
        """Handle a message, and settle it."""
        durable, meta, headers = self.durable, raw.metadata, raw.headers or {}
        if durable.only_with and durable.only_with not in headers:
            await raw.ack()
            metrics.MESSAGES.labels(durable.name, "passed_over").inc()
            return
        tries = tries_of(raw)
        if tries > 1:
            metrics.REDELIVERIES.labels(durable.name).inc()
        try:
            here = read_envelope(headers, fallback_id=f"{meta.stream}-{meta.sequence.stream}")
            check_message(raw.subject, here)
        except Invalid as error:
            await bury(raw, durable, tries, error)
            metrics.MESSAGES.labels(durable.name, "dead").inc()
            return
        about = _about(here, raw) | {
            "messaging.consumer.group.name": durable.name,
            "bazaar.delivery": tries,
        }
        name = f"process {telemetry.kind_of(raw.subject)}"
        with telemetry.within(name, SpanKind.CONSUMER, here, about) as here:
            _name_in_logs(here, raw)
            with metrics.MESSAGE_SECONDS.labels(durable.name).time():
                settling = Settling(raw, durable, here, self.room, self.told)
                outcome = await settling.settle(lambda: self._handle(raw, here))
            telemetry.outcome(outcome, failed=outcome in {"again", "dead"})
        metrics.MESSAGES.labels(durable.name, outcome).inc()

    async def _handle(self, raw: Msg, here: Envelope) -> None:
        """Run the handler; if it takes a transaction, in one with the message's inbox row."""
        body = self.handler.read(raw.data)
        if self.handler.tx is None:
            await self.handler(body, here, raw.reply)
            return
        async with self.db.effect(self.durable.name, here) as tx:
            await self.handler(body, here, raw.reply, tx)


def _check_time(here: Envelope, context: str, verb: str) -> None:
    """Make sure that somebody still waits for the answer; a ping tells that, so it has time.

    Raises:
        TooSlow: the deadline is over. Whoever listens yet, by a clock that is late, is told so.
    """
    if here.is_over() and verb != "ping":
        raise TooSlow(f"The {context} service did not answer in time.")


def _about(here: Envelope, raw: Msg) -> dict[str, str | int]:
    """What a span says of its message."""
    return {
        "messaging.system": "nats",
        "messaging.destination.name": raw.subject,
        "messaging.message.id": here.id,
        "bazaar.correlation_id": here.correlation_id,
    }


def _name_in_logs(here: Envelope, raw: Msg) -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(
        correlation_id=here.correlation_id, subject=raw.subject, account=here.account
    )
