"""Whether replies that are waited for can still come: one look for all who wait, not one each.

A service that is killed takes the requests that it had in hand with it, and a bus that goes away
takes replies; long before the time-out of a long call, that can be known.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from contracts.base import ping_call
from contracts.errors import Unavailable

WATCH_S = 1.0
"""How often it is looked whether replies can still come; most are there before."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """Somebody who waits for a reply; `lost` is done when none will come.

    Attributes:
        reconnects: how often the connection had been lost when the request was sent.
        looked: whether a look has come by since then.
    """

    lost: "asyncio.Future[Unavailable]"
    reconnects: int
    looked: bool = False


class Watch:
    """Watches over the requests of one connection, by the service that answers them."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._waiting: dict[str, set[_Waiting]] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}

    async def reply(self, asked: Coroutine[Any, Any, Msg], client: Client, context: str) -> Msg:
        """The reply to a request, waited for as long as it can come.

        Args:
            asked: the request, which has a time-out of its own.
            client: the connection that it is sent on.
            context: the service that answers it.

        Raises:
            Unavailable: the service, or the connection to the bus, was lost meanwhile.
        """
        lost = asyncio.get_running_loop().create_future()
        me = _Waiting(lost, client.stats["reconnects"])
        self._waiting.setdefault(context, set()).add(me)
        if context not in self._watchers:
            self._watchers[context] = asyncio.create_task(self._look_after(context, client))
        reply = asyncio.ensure_future(asked)
        try:
            await asyncio.wait({reply, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done():
                raise lost.result()
            return reply.result()
        finally:
            self._waiting[context].discard(me)
            reply.cancel()

    async def _look_after(self, context: str, client: Client) -> None:
        """Look again and again, for as long as somebody waits."""
        try:
            while True:
                await asyncio.sleep(WATCH_S)
                waiting = self._waiting[context]
                if not waiting:
                    return
                # Whoever came since the last look has time until the next.
                patient = [one for one in waiting if one.looked]
                for one in waiting:
                    one.looked = True
                if patient:
                    await _look(patient, client, context)
        finally:
            del self._watchers[context]


async def _look(waiting: list[_Waiting], client: Client, context: str) -> None:
    """Tell those whose reply cannot come any more."""
    left = []
    for one in waiting:
        if not client.is_connected or client.stats["reconnects"] != one.reconnects:
            _tell(one, "The message bus was away; what came of the request is unknown.")
        else:
            left.append(one)
    if not left:
        return
    try:
        await client.request(ping_call(context).subject, b"{}", timeout=WATCH_S)
    except NoRespondersError:
        for one in left:
            _tell(one, f"The {context} service went down; what came of the request is unknown.")
    except NatsError:
        return  # Slow is not gone; and a connection that is, is seen at the next look.


def _tell(one: _Waiting, text: str) -> None:
    if not one.lost.done():
        one.lost.set_result(Unavailable(text, loggable=True))
