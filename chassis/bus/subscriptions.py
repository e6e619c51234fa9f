"""How a service subscribes: the options that FastStream's subscribers need, and leaving.

They are what the measured traps demand: explicit streams, manual acknowledgement, bounded queues.
"""

from typing import Any

from faststream.middlewares import AckPolicy
from faststream.nats import JStream, PullSub
from nats.aio.client import Client
from nats.aio.subscription import Subscription

from chassis.bus.flushing import drain, flush
from contracts.base import Call
from contracts.topology import Durable
from contracts.users import inbox

RPC_WORKERS = 64
REQUESTS_WAITING = 512
PINGS_WAITING = 128
WAITING_BYTES = 32 * 1024 * 1024
"""What may wait in a replica for each call; whoever asks more is told so at once (`on_error`)."""


def answers(call: Call[Any, Any], *, workers: int = RPC_WORKERS) -> dict[str, Any]:
    """Options for `broker.subscriber` that make a function answer a call.

    Replicas share the queue group.

    Args:
        call: what is answered.
        workers: requests that one replica works on at once; the next ones wait.
    """
    return {
        "subject": call.subject,
        "queue": call.context,
        "max_workers": workers,
        "pending_msgs_limit": PINGS_WAITING if call.verb == "ping" else REQUESTS_WAITING,
        "pending_bytes_limit": WAITING_BYTES,
    }


def consumes(durable: Durable) -> dict[str, Any]:
    """Options for `broker.subscriber` that make a function consume a durable consumer.

    The stream and the consumer are declared by the topology step, never here.
    """
    return {
        "subject": durable.filter,
        "stream": JStream(durable.stream, declare=False),
        "durable": durable.name,
        "pull_sub": PullSub(batch_size=1, timeout=5.0),
        "max_workers": durable.concurrency,
        "ack_policy": AckPolicy.MANUAL,
        "inbox_prefix": f"{inbox(durable.context)}.".encode(),
    }


async def leave(client: Client, *subscriptions: Subscription) -> None:
    """Hear nothing new; returns when all that had come was taken."""
    for subscription in subscriptions:
        # A drain alone sends its PING ahead of this, and so can miss what was still on its way.
        await client._send_unsubscribe(subscription._id)  # noqa: SLF001  (no public way)
    await flush(client)
    await flush(client)
    for subscription in subscriptions:
        await drain(subscription)
