"""Keeps streams, consumers and buckets as `contracts.topology` says (`python -m chassis.keeper`).

Declares them when it starts, and looks again for ever: what somebody changed meanwhile is undone
and told in the log. It also answers whoever may only look (`chassis.keeping.looking`). Several may
run.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import nats
import structlog
import uvicorn
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import ValidationError

from chassis.bus.calls import refusal_headers
from chassis.bus.connecting import close, connect_options
from chassis.bus.declared import Declared
from chassis.bus.servers import servers
from chassis.endings import end
from chassis.http.bounds import Bounds
from chassis.http.probes import probes
from chassis.http.serving import options
from chassis.keeping import forgetting, letters, looking
from chassis.observability import logs, metrics
from chassis.topology import Settings, declare
from contracts.errors import Invalid, Refusal, Unavailable
from contracts.permissions import FORGET, LETTERS, LOOKING
from contracts.users import KEEPER

log = structlog.get_logger()

KEEP_EVERY_S = 5.0
ANSWERS_AT_ONCE = 4
WAITING_ANSWERS = 64
"""Requests that may wait; beyond them a caller is told to come again."""
SHAPES = {
    FORGET: "The body names a task and its turns.",
    LETTERS: 'The body is {"number": N}.',
    LOOKING: 'The body is {} or {"after": N}.',
}
"""What is asked for, and how, where a body has another shape."""


class Keeper:
    """One connection that declares, mends, and tells.

    Attributes:
        wrong: what is not as it should be on the bus, as sentences.
    """

    def __init__(self, settings: Settings, every_s: float = KEEP_EVERY_S) -> None:
        """Nothing is opened yet."""
        self._settings = settings
        self._every_s = every_s
        self._turns = asyncio.Semaphore(ANSWERS_AT_ONCE)
        self._answering: set[asyncio.Task[None]] = set()
        self.wrong = ["starting"]
        self._complete = self._began = False

    async def run(self) -> None:
        """Keep until cancelled."""
        options = connect_options(self._settings, KEEPER)
        for of_faststream in ("graceful_timeout", "security"):
            del options[of_faststream]
        options |= servers(self._settings.nats_url).options()
        client = await nats.connect(**options, error_cb=_told)
        try:
            for subject in (f"{LOOKING}.>", FORGET, f"{LETTERS}.*"):
                await client.subscribe(
                    subject,
                    queue=KEEPER,
                    cb=self._asked(client),
                    pending_msgs_limit=WAITING_ANSWERS,
                )
            while True:
                await self._keep(client)
                await asyncio.sleep(self._every_s)
        finally:
            await close(client)

    async def able(self) -> tuple[bool, list[str]]:
        """Whether all is there that others work with, and what is not as it should be."""
        return self._complete, self.wrong

    async def _keep(self, client: Client) -> None:
        try:
            declared = await declare(
                client,
                replicas=self._settings.stream_replicas,
                in_all=self._settings.stream_bytes,
            )
        except (NatsError, TimeoutError, OSError, ValueError) as error:
            if client.is_closed:  # The server threw us out; whoever supervises us starts us anew.
                raise
            self._complete = False
            self.wrong = [f"The bus cannot be kept: {type(error).__name__}."]
            log.error("cannot keep the bus as declared", error=error)
            return
        self._tell(declared)
        self._complete = not declared.missing
        self._began = self._began or self._complete

    def _tell(self, declared: Declared) -> None:
        for what in declared.mended:
            if self._began:
                log.error("drift undone", what=what)
                metrics.DRIFTS.inc()
            else:
                log.info("declared", what=what)
        wrong = [*declared.missing, *declared.different]
        for what in sorted({*wrong} - {*self.wrong}):
            log.error("drift that cannot be undone", what=what)
        self.wrong = wrong
        metrics.DRIFTED.set(len(wrong))
        for name, (taken, most) in declared.bytes.items():
            metrics.STREAM_BYTES.labels(name).set(taken)
            metrics.STREAM_MAX_BYTES.labels(name).set(most)

    def _asked(self, client: Client) -> Callable[[Msg], Awaitable[None]]:
        async def asked(message: Msg) -> None:
            """Begin to answer; a crowd is told to come again, and holds nobody up."""
            if not message.reply:
                return
            if len(self._answering) >= WAITING_ANSWERS:
                busy = Unavailable("Too many look at once; ask again in a moment.")
                await client.publish(message.reply, b"", headers=refusal_headers(busy))
                return
            job = asyncio.create_task(self._answer(client, message))
            self._answering.add(job)
            job.add_done_callback(self._answering.discard)

        return asked

    async def _answer(self, client: Client, message: Msg) -> None:
        try:
            async with self._turns:
                said = await _said(client, message.subject, message.data)
            headers = None
        except Refusal as refused:
            said, headers = b"", refusal_headers(refused)
        except ValidationError:
            shape = next(SHAPES[one] for one in SHAPES if message.subject.startswith(one))
            said, headers = b"", refusal_headers(Invalid(shape))
        except (NatsError, TimeoutError, OSError) as error:
            log.warning("cannot tell about the bus", error=error)
            said, headers = b"", refusal_headers(Unavailable("The streams cannot be read now."))
        with suppress(NatsError):  # Nobody waits any more, or the connection is gone.
            await client.publish(message.reply, said, headers=headers)


async def _said(client: Client, subject: str, body: bytes) -> bytes:
    if subject == FORGET:
        return str(await forgetting.forget(client, body)).encode()
    if subject.startswith(f"{LETTERS}."):
        return await letters.answer(client, subject, body)
    return await looking.answer(client, subject, body)


async def _told(error: Exception) -> None:
    log.warning("NATS", error=error)


async def live(settings: Settings) -> int:
    """Keep, and answer the probes, until SIGTERM or SIGINT."""
    keeper = Keeper(settings)
    server = uvicorn.Server(
        uvicorn.Config(
            probes(KEEPER, keeper.able),
            host=settings.host,
            port=settings.health_port,
            lifespan="off",
            timeout_graceful_shutdown=2,
            **options(Bounds()),
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):  # Uvicorn raises it again when it has stopped.
        signal.signal(number, lambda *_: None)
    keeping = asyncio.create_task(keeper.run())
    serving = asyncio.create_task(server.serve())
    await asyncio.wait({keeping, serving}, return_when=asyncio.FIRST_COMPLETED)
    failed = keeping.exception() if keeping.done() and not keeping.cancelled() else None
    if failed is not None:
        log.critical("cannot keep the bus", error=failed)
    server.should_exit = True
    await end(keeping)
    await asyncio.gather(serving, return_exceptions=True)
    return 1 if failed else 0


def main() -> int:
    """Be the keeper of the bus at NATS_URL."""
    settings = Settings()
    logs.configure(settings, KEEPER)
    metrics.name_service(KEEPER)
    return asyncio.run(live(settings))


if __name__ == "__main__":
    sys.exit(main())
