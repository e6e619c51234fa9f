"""The one connection to NATS: made in the background, kept for ever, asked through."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from chassis.bus.calls import UNREACHABLE, Bus, Reply
from chassis.bus.connecting import CROWDED, close, connect_options, noticed, on_error
from chassis.bus.flushing import flush
from chassis.endings import end
from chassis.settings import BusSettings
from contracts.base import Call, ReplyT, RequestT
from contracts.chat import POST_MESSAGE
from contracts.envelope import Envelope
from contracts.errors import Unavailable
from contracts.task import INVOKE_AGENT
from gateway.faults import told, where

log = structlog.get_logger()

NAME = "gateway"
AGAIN_S = 1.0
PING_S = 0.9
MOST = 256
MOST_WAITING = {POST_MESSAGE.subject: 64, INVOKE_AGENT.subject: 512}
"""Requests of one kind that may wait for their answer: about as many as are answered in time. Who
asks more is refused at once, before anything is stored for him."""
STOPPING = "The gateway is being stopped; what came of the request is unknown."
CLOSE_S = 5.0


class Link:
    """Connects without holding up the start, and again whenever the connection is gone."""

    def __init__(
        self,
        settings: BusSettings,
        hear: dict[str, Callable[[Msg], Awaitable[None]]],
        answered: Callable[[str, Mapping[str, str]], None] = lambda _context, _headers: None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            settings: where the bus is.
            hear: what is called for messages on which subjects.
            answered: is called for each reply, with the context that gave it and its headers.
            lost: is called when the connection is gone, and something may not be heard.
        """
        self._settings = settings
        self._hear = hear
        self._answered = answered
        self._lost = lost
        self._bus: Bus | None = None
        self._client: Client | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._closing = False
        self._waiting: Counter[str] = Counter()

    @property
    def connected(self) -> bool:
        """Whether a request could be sent now."""
        return self._client is not None and self._client.is_connected

    @property
    def client(self) -> Client:
        """The connection itself, for what is no request; not to be kept.

        Raises:
            Unavailable: there is none now.
        """
        if self._client is None or not self._client.is_connected:
            raise Unavailable(UNREACHABLE)
        return self._client

    def open(self) -> None:
        """Begin to connect, in the background."""
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop connecting and close the connection."""
        self._closing = True
        if self._keeping is not None:
            await end(self._keeping)
        if self._client is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await close(self._client)

    async def ask(self, call: Call[RequestT, ReplyT], request: RequestT, cause: Envelope) -> ReplyT:
        """`Bus.ask`, and `Unavailable` at once without a connection, or while too many wait."""
        with self._asking(call.subject) as bus:
            return await bus.ask(call, request, cause)

    async def ask_shown(
        self, call: Call[RequestT, ReplyT], request: RequestT, cause: Envelope
    ) -> Reply:
        """`Bus.ask_shown`, as `ask` is."""
        with self._asking(call.subject) as bus:
            return await bus.ask_shown(call, request, cause)

    @contextmanager
    def _asking(self, subject: str) -> Iterator[Bus]:
        if self._bus is None:
            raise Unavailable(UNREACHABLE)
        if self._waiting[subject] >= MOST_WAITING.get(subject, MOST):
            raise Unavailable(CROWDED)
        self._waiting[subject] += 1
        try:
            yield self._bus
        except Unavailable:
            if self._closing:
                raise Unavailable(STOPPING) from None
            raise
        finally:
            self._waiting[subject] -= 1

    async def ping(self) -> int:
        """Milliseconds to the NATS server and back.

        Raises:
            Unavailable: it does not answer.
        """
        begun = time.perf_counter()
        try:
            if self._client is None or not self.connected:
                raise Unavailable(UNREACHABLE)
            async with asyncio.timeout(PING_S):
                await flush(self._client)
        except (NatsError, TimeoutError):
            raise Unavailable("The message bus does not answer.") from None
        return round((time.perf_counter() - begun) * 1000)

    async def _keep(self) -> None:
        """Be connected; the client mends what breaks, unless the server threw it out."""
        while True:
            try:
                closed = await self._connect()
            except Exception as error:  # noqa: BLE001  (whatever keeps it from connecting)
                log.error("cannot connect to NATS", error=told(error), at=where(error))
            else:
                log.info("connected to NATS")
                await closed.wait()
                log.error("NATS closed the connection")
            await asyncio.sleep(AGAIN_S)

    async def _connect(self) -> asyncio.Event:
        """Connect and subscribe; returns what is set when this connection is gone for good."""
        closed = asyncio.Event()

        async def on_closed() -> None:
            closed.set()

        broker = NatsBroker(
            **connect_options(self._settings, NAME),
            disconnected_cb=self._on_disconnected,
            reconnected_cb=_on_reconnected,
            closed_cb=on_closed,
            error_cb=self._on_error,
            logger=None,
        )
        log.info("connecting to NATS")
        noticing = noticed()
        client = await broker.connect()
        noticing.cancel()
        for subject, hear in self._hear.items():
            await client.subscribe(subject, cb=hear)
        self._client, self._bus = client, Bus(broker, NAME, self._answered)
        return closed

    async def _on_error(self, error: Exception) -> None:
        if self._client is not None:
            await on_error(self._client, error)

    async def _on_disconnected(self) -> None:
        self._lost()
        if not self._closing:
            log.warning("connection to NATS lost")


async def _on_reconnected() -> None:
    log.info("connected to NATS again")
