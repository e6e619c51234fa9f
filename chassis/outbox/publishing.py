"""Publishing to the streams: messages with the bytes that are stored and sent, confirmed by row.

nats-py's own publish waits for each message by itself, with a future, a timer and an inbox token of
its own. Messages of a transaction leave and are confirmed together: one future for all of them.
"""

import asyncio
import itertools
import json
from collections.abc import Sequence
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import APIError, NoStreamResponseError, ServiceUnavailableError

from chassis.bus.calls import MAX_MESSAGE_BYTES
from chassis.bus.intake import Intake
from chassis.outbox.outgoing import Outgoing

log = structlog.get_logger()
PUBLISH_TIMEOUT_S = 3.0
EXPECTED_STREAM = "Nats-Expected-Stream"
NO_RESPONDERS = "503"


def weighed(body: bytes) -> bytes:
    """The body, or a log line that says why it will never leave.

    Raises:
        ValueError: heavier than a message may be.
    """
    if len(body) > MAX_MESSAGE_BYTES:
        log.error("message too heavy", bytes=len(body))
        raise ValueError(f"{len(body)} bytes are more than a message may have")
    return body


class _Row:
    """Messages that were sent together, and what the streams said of each."""

    def __init__(self, messages: Sequence[Outgoing], intake: Intake) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._intake = intake
        self._open = dict(enumerate(messages))
        self._failed: Exception | None = None

    def heard(self, number: int, error: Exception | None) -> None:
        """Take note of what a stream said of a message."""
        if (message := self._open.pop(number, None)) is None:
            return
        if error is None:
            self._intake.took(message.stream)
        else:
            if isinstance(error, (ServiceUnavailableError, NoStreamResponseError)):
                self._intake.refused(message.stream, error)
            self._failed = self._failed or error
        if not self._open and not self.done.done():
            if self._failed is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(self._failed)

    def silent(self, error: Exception) -> None:
        """Take note that nothing was said of the others in time."""
        for stream in {message.stream for message in self._open.values()}:
            self._intake.refused(stream, error)


class Publisher:
    """Publishes on a connection, with one inbox that all streams confirm to.

    Attributes:
        intake: whether the streams take what is sent.
    """

    def __init__(self) -> None:
        """Nothing was published yet."""
        self.intake = Intake()
        self._prefix = ""
        self._listening: asyncio.Future[Any] | None = None
        self._rows: dict[str, _Row] = {}
        self._names = itertools.count()

    async def publish(self, client: Client, messages: Sequence[Outgoing]) -> None:
        """Publish the messages of one transaction, in order; returns when all are confirmed.

        Raises:
            TimeoutError: the streams did not confirm all of them in time.
            NatsError: a stream refused one, or the connection is gone.
            ValueError: one is heavier than a message may be.
        """
        bodies = [weighed(message.body) for message in messages]
        await self._listen(client)
        connection, name = client.stats["reconnects"], str(next(self._names))
        row = self._rows[name] = _Row(messages, self.intake)
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S) as until:
                for number, (message, body) in enumerate(zip(messages, bodies, strict=True)):
                    headers = {**message.headers, EXPECTED_STREAM: message.stream}
                    reply = f"{self._prefix}{name}.{number}"
                    await client.publish(message.subject, body, reply, headers)
                    _check(until)
                await row.done
        except TimeoutError as error:
            if client.is_connected and client.stats["reconnects"] == connection:
                row.silent(error)
            raise
        finally:
            del self._rows[name]

    async def _listen(self, client: Client) -> None:
        """Listen at the inbox; whoever comes meanwhile waits for the one who began it."""
        if self._listening is None:
            self._prefix = client.new_inbox() + "."
            listen = client.subscribe(f"{self._prefix}>", cb=self._heard)
            self._listening = asyncio.ensure_future(listen)
        try:
            await asyncio.shield(self._listening)
        except NatsError:
            self._listening = None  # The next one begins again.
            raise

    async def _heard(self, said: Msg) -> None:
        name, _, number = said.subject[len(self._prefix) :].partition(".")
        if row := self._rows.get(name):
            row.heard(int(number), _refusal(said))


def _check(until: asyncio.Timeout) -> None:
    """Make sure that there is time left: the client swallows a cancellation while it flushes.

    Raises:
        TimeoutError: there is none.
    """
    if until.expired():
        raise TimeoutError


def _refusal(said: Msg) -> Exception | None:
    """What a stream said, if it did not store the message."""
    if said.headers and said.headers.get("Status") == NO_RESPONDERS:
        return NoStreamResponseError()
    if b'"error"' not in said.data:
        return None
    try:
        APIError.from_error(json.loads(said.data)["error"])
    except Exception as error:  # noqa: BLE001  (it is raised where the row is waited for)
        return error
    return None
