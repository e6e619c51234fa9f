"""Putting aside a message that nobody can handle, with the reason, where an operator finds it."""

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from chassis import metrics
from chassis.bus import HEADERS_BYTES, MAX_MESSAGE_BYTES
from chassis.replies import in_words
from contracts.topology import DEADLETTER, Durable

log = structlog.get_logger()


async def bury(raw: Msg, durable: Durable, tries: int, why: Exception) -> str:
    """Put the message aside with its headers and the reason, then end its deliveries.

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
        await raw._client.jetstream().publish(  # noqa: SLF001  (nats-py offers no other way)
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
    await raw.term()
    metrics.DEAD_LETTERS.labels(durable.name).inc()
    return "dead"


def _may_be_kept(name: str, value: str) -> bool:
    small = len(name) + len(value) <= HEADERS_BYTES
    return small and not name.lower().startswith(("nats-", "status"))
