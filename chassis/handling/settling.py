"""What becomes of a message that a durable delivered: done, another try, or a dead letter."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from sqlalchemy.exc import DBAPIError

from chassis.db.away import TROUBLES
from chassis.db.database import AlreadyHandled
from chassis.endings import told_to_end
from chassis.handling.dead_letters import Tell, bury
from chassis.handling.patience import (
    WAITING,
    Later,
    Unfinished,
    is_hopeless,
    outlast,
    retry_delay_s,
    waiting_delay_s,
)
from chassis.handling.waiting import Parked, WaitingRoom
from contracts.envelope import Envelope
from contracts.errors import Refusal
from contracts.topology import Durable

log = structlog.get_logger()

MOMENT_S = 1.0
"""What a message may wait where it is; for longer it goes to the waiting room."""
GIVE_BACK_S = 5.0
"""How long a replica that stops tries to give a message back."""
GONE_S = 1.0
"""When the bus delivers again what a replica gives back that stops: not to that one."""


def tries_of(raw: Msg) -> int:
    """The how manieth try this is."""
    return raw.tries + 1 if isinstance(raw, Parked) else raw.metadata.num_delivered


@dataclass(slots=True)
class Settling:
    """A message in hand, and how it is settled.

    Attributes:
        raw: as it came from the bus or out of the waiting room.
        durable: that delivered it.
        here: its envelope.
        room: where it waits, if it has to.
        told: who is told when it is put aside, by the durable's name.
        tries: the how manieth try of it is under way.
    """

    raw: Msg
    durable: Durable
    here: Envelope
    room: WaitingRoom
    told: Mapping[str, Tell]
    tries: int = field(init=False)

    def __post_init__(self) -> None:
        """It is tried once more."""
        self.tries = tries_of(self.raw)

    async def settle(self, handle: Callable[[], Awaitable[object]]) -> str:
        """Handle the message and settle it; returns what came of it (`metrics.MESSAGES`)."""
        alive = _SignsOfLife(self.raw, self.durable.ack_wait_s / 3)
        try:
            self._check_failures()
            await self._try(handle)
        except asyncio.CancelledError:
            if told_to_end():
                await self._give_back()
            raise
        except AlreadyHandled:
            await self.raw.ack()
            return "repeat"
        except WAITING as error:
            return await self._wait(error)
        except Exception as error:  # noqa: BLE001  (whatever it is, the message must be settled)
            return await self._fail(error)
        else:
            await self.raw.ack()
            return "done"
        finally:
            alive.stop()

    def _check_failures(self) -> None:
        """Make sure that another try is due.

        Raises:
            Unfinished: the last that it had ended without a word, with its process perhaps.
        """
        if self._failures() >= self.durable.attempts:
            raise Unfinished("tried too often")

    def _failures(self) -> int:
        """How many tries before this one failed.

        On the bus all did, for they ended without a word: whoever waits does so in the room.
        """
        return self.raw.failures if isinstance(self.raw, Parked) else tries_of(self.raw) - 1

    async def _try(self, handle: Callable[[], Awaitable[object]]) -> None:
        """Handle the message, also for as long as the database takes to come back.

        Whoever is ready in a moment is waited for here. For longer, the message has to give up its
        place; in the waiting room it has none.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + (0 if isinstance(self.raw, Parked) else MOMENT_S)
        while True:
            try:
                await outlast(handle, self.durable.context)
            except WAITING as error:
                delay_s = waiting_delay_s(error, self.tries)
                if loop.time() + delay_s > until:
                    raise
            else:
                return
            await asyncio.sleep(delay_s)
            self.tries += 1

    async def _wait(self, error: Exception) -> str:
        """Have the message wait for others, as long as the durable has patience."""
        raw = self.raw
        if isinstance(raw, Parked) and raw.waited_s >= self.durable.patience_s:
            return await self._bury(error)
        log.info("message waits", attempt=self.tries, error=error)
        await self._keep(self._failures(), waiting_delay_s(error, self.tries))
        return "later" if isinstance(error, Later) else "again"

    async def _fail(self, error: Exception) -> str:
        """Have the message wait for another try, if that may be any better."""
        failures = self._failures() + 1
        if failures >= self.durable.attempts or is_hopeless(error):
            return await self._bury(error)
        level = log.warning if isinstance(error, (Refusal, DBAPIError)) else log.exception
        level("message failed", attempt=self.tries, error=error)
        await self._keep(failures, retry_delay_s(failures))
        return "again"

    async def _give_back(self) -> None:
        """Have the message be due at another replica: a stop of this one is no failure.

        The bus counts it all the same, so the last try that it has is not given back to it.
        """
        try:
            async with asyncio.timeout(GIVE_BACK_S):
                if not isinstance(self.raw, Parked) and tries_of(self.raw) < self.durable.attempts:
                    await self.raw.nak(delay=GONE_S)
                    return
                await self.room.keep(
                    self.raw, self.here.id, tries=self.tries, failures=self._failures(), delay_s=0
                )
        except (NatsError, *TROUBLES) as error:
            # Its lease, or the time that the bus gives it, runs out: then it comes again.
            log.warning("not given back", error=error)

    async def _keep(self, failures: int, delay_s: float) -> None:
        async def keep() -> None:
            await self.room.keep(
                self.raw,
                self.here.id,
                tries=self.tries,
                failures=failures,
                delay_s=delay_s,
            )

        try:
            await outlast(keep, self.durable.context)
        except Exception as error:  # noqa: BLE001  (it must come again, and the bus can see to that)
            log.error("no room to wait", error=error)
            await self.raw.nak(delay=delay_s)

    async def _bury(self, error: Exception) -> str:
        tell = self.told.get(self.durable.name)
        return await bury(self.raw, self.durable, self.tries, error, self.here, tell)


class _SignsOfLife:
    """Shows that a message is in work; most are settled before the first sign is due."""

    def __init__(self, raw: Msg, every_s: float) -> None:
        self._raw = raw
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(every_s, self._begin)

    def stop(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._show())

    async def _show(self) -> None:
        while True:
            with suppress(NatsError):
                await self._raw.in_progress()
            await asyncio.sleep(self._every_s)
