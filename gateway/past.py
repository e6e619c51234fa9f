"""What the stream EVENTS still holds, read again from a place on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from contracts.errors import Unavailable
from contracts.topology import EVENTS
from gateway.link import Link
from gateway.live import LiveEvent, live_event

PAGE = 200
AT_ONCE = 8
"""Pages that one gateway reads at once: catching up must not crowd out what is new."""
FORGET_S = 300.0
"""After so long the server forgets a reader that takes nothing."""
ANSWER_S = 5.0


class Past:
    """Reads events again, a page at a time, as fast as the reader takes them."""

    def __init__(self, link: Link) -> None:
        """Read over `link`."""
        self._link = link
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def first(self) -> int:
        """The sequence of the oldest event that is still there.

        Raises:
            Unavailable: the bus cannot be asked now.
        """
        try:
            js = self._link.client.jetstream(timeout=ANSWER_S)
            return (await js.stream_info(EVENTS.name)).state.first_seq
        except (NatsError, TimeoutError, OSError):
            raise Unavailable("The message bus is not reachable.") from None

    async def read(self, subject: str, first: int, until: int) -> AsyncGenerator[LiveEvent]:
        """The events on `subject` from the sequence `first` up to `until`, both included.

        Raises:
            Unavailable: the bus was lost on the way.
        """
        if first > until:
            return
        js = self._link.client.jetstream(timeout=ANSWER_S)
        place = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=first,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=FORGET_S,
            mem_storage=True,
            num_replicas=1,
        )
        try:
            pulled = await js.pull_subscribe(subject, stream=EVENTS.name, config=place)
            try:
                pending = (await pulled.consumer_info()).num_pending or 0
                while pending:
                    async with self._turns:
                        page = await pulled.fetch(min(PAGE, pending), timeout=ANSWER_S)
                    if not page:
                        raise TimeoutError
                    for message in page:
                        sequence = message.metadata.sequence.stream
                        if sequence > until:
                            return
                        yield live_event(sequence, message.subject, message.headers, message.data)
                    pending = page[-1].metadata.num_pending
            finally:
                with suppress(NatsError, TimeoutError):
                    await pulled.unsubscribe()
                    await js.delete_consumer(EVENTS.name, place.name or "")
        except (NatsError, TimeoutError, OSError):
            raise Unavailable("The message bus was lost.") from None
