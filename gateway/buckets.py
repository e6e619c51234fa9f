"""Key-value buckets on JetStream, as the topology step has declared them."""

from nats.aio.client import Client
from nats.js.kv import KeyValue

from contracts.topology import Bucket

ANSWER_S = 3.0


def bucket(client: Client, declared: Bucket) -> KeyValue:
    """A bucket over this connection; nothing is asked of the server yet."""
    return KeyValue(
        name=declared.name,
        stream=declared.stream,
        pre=f"$KV.{declared.name}.",
        js=client.jetstream(timeout=ANSWER_S),
        direct=True,
    )
