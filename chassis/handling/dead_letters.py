"""Putting aside a message that nobody can handle, with the reason, where an operator finds it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from chassis.bus.calls import HEADERS_BYTES, MAX_MESSAGE_BYTES
from chassis.db.away import is_away
from chassis.handling.replies import in_words
from chassis.observability import metrics
from contracts.envelope import Envelope
from contracts.topology import DEADLETTER, Durable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Buried:
    """A message that was put aside: nothing will come of it any more.

    Attributes:
        subject: as it was published.
        body: as it came; it may be what nobody can read.
        here: its envelope.
        why: the reason, in the words of the dead letter.
    """

    subject: str
    body: bytes
    here: Envelope
    why: str


Tell = Callable[[Buried], Awaitable[None]]
"""Tells whoever waits for a message that nothing will come of it; may be called twice."""


async def bury(
    raw: Msg,
    durable: Durable,
    tries: int,
    why: Exception,
    here: Envelope | None = None,
    tell: Tell | None = None,
) -> str:
    """Put the message aside with its headers and the reason, tell, then end its deliveries.

    When the dead letter cannot be stored, the message stays where it is and comes again. What is
    too heavy to be stored with the reason is cut: headers that are no envelope's, then the body. So
    are those that mean something to a stream.
    """
    headers = {
        **{k: v for k, v in (raw.headers or {}).items() if _may_be_kept(k, v)},
        "Nats-Msg-Id": f"{durable.name}-{raw.metadata.sequence.stream}",
        "bazaar-consumer": durable.name,
        "bazaar-subject": raw.subject,
        "bazaar-attempts": str(tries),
        "bazaar-error": in_words(why)[:1000],
    }
    try:
        await raw._client.jetstream().publish(  # noqa: SLF001  (no public way leads from a message to its connection)
            f"bazaar.dlq.{durable.name}",
            raw.data[:MAX_MESSAGE_BYTES],
            stream=DEADLETTER.name,
            headers=headers,
            timeout=5,
        )
    except (NatsError, TimeoutError) as error:
        log.error("dead letter not stored", error=error, consumer=durable.name)
        await raw.nak(delay=5)
        return "again"
    log.error("dead letter", consumer=durable.name, attempts=tries, why=why)
    if tell is not None and here is not None:
        try:
            await tell(Buried(raw.subject, raw.data, here, in_words(why)))
        except Exception as error:
            if is_away(error):
                await raw.nak(delay=5)
                return "again"
            log.exception("nobody was told of a dead letter", consumer=durable.name)
    await raw.term()
    metrics.DEAD_LETTERS.labels(durable.name).inc()
    return "dead"


def _may_be_kept(name: str, value: str) -> bool:
    small = len(name) + len(value) <= HEADERS_BYTES
    return small and not name.lower().startswith(("nats-", "status"))
