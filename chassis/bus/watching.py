"""Whether replies that are waited for can still come: one look for all who wait, not one each.

A service that is killed takes the requests that it had in hand with it, also when another process
answers in its place, and a bus that goes away takes replies; long before the time-out of a long
call, that can be known.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from pydantic import ValidationError

from chassis.bus.rollcall import RollCall
from contracts.base import Pong, ping_call
from contracts.changes import TELLS
from contracts.envelope import ERROR_CODE
from contracts.errors import Unavailable
from contracts.hands import MOST_ASKED

WATCH_S = 1.0
"""How often it is looked whether replies can still come; most are there before."""
MISSED = 3
"""A request that no replica had at so many looks in a row is lost: one that only changes its
connection is back by then, and a reply that is on its way has come."""
SURE = 16
"""So many pings meet each of two replicas, but for once in 65,000 times."""
OLD_S = 60.0
"""For so long after a replica of release 0.2.0 was heard of, nobody can tell what it has."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """Somebody who waits for a reply; `lost` is done when none will come.

    Attributes:
        request: the id of its envelope.
        reconnects: how often the connection had been lost when the request was sent.
        looked: whether a look has come by since then.
        missed: at how many looks in a row nobody had it.
    """

    lost: "asyncio.Future[Unavailable]"
    request: str
    reconnects: int
    looked: bool = False
    missed: int = 0


@dataclass(slots=True)
class _Service:
    """What is known of a service that is asked.

    Attributes:
        roll: its replicas.
        waiting: who waits for it.
        watcher: what looks after them.
        old_until: until when it may have a replica of release 0.2.0.
    """

    roll: RollCall
    waiting: set[_Waiting] = field(default_factory=set)
    watcher: asyncio.Task[None] | None = None
    old_until: float = 0.0


class Watch:
    """Watches over the requests of one connection, by the service that answers them."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._services: dict[str, _Service] = {}

    async def reply(
        self, asked: Coroutine[Any, Any, Msg], client: Client, context: str, request: str
    ) -> Msg:
        """The reply to a request, waited for as long as it can come.

        Args:
            asked: the request, which has a time-out of its own.
            client: the connection that it is sent on.
            context: the service that answers it.
            request: the id of its envelope.

        Raises:
            Unavailable: the service, or the connection to the bus, was lost meanwhile.
        """
        service = self._services.get(context)
        if service is None:
            service = self._services[context] = _Service(RollCall(context))
        lost = asyncio.get_running_loop().create_future()
        me = _Waiting(lost, request, client.stats["reconnects"])
        service.waiting.add(me)
        if service.watcher is None:
            service.watcher = asyncio.create_task(_look_after(service, client))
        reply = asyncio.ensure_future(asked)
        try:
            await asyncio.wait({reply, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done():
                raise lost.result()
            answer = reply.result()
            _note_release(service, answer)
            return answer
        finally:
            service.waiting.discard(me)
            reply.cancel()


def _note_release(service: _Service, reply: Msg) -> None:
    """Of release 0.2.0 is who does not say that it tells of its changes."""
    headers = reply.headers or {}
    if TELLS not in headers and ERROR_CODE not in headers:
        service.old_until = asyncio.get_running_loop().time() + OLD_S


async def _look_after(service: _Service, client: Client) -> None:
    """Look again and again, for as long as somebody waits."""
    try:
        patient: list[_Waiting] = []
        while True:
            await asyncio.gather(asyncio.sleep(WATCH_S), _look(patient, client, service))
            if not service.waiting:
                return
            # Whoever came since the last look has time until the next.
            patient = [one for one in service.waiting if one.looked]
            for one in service.waiting:
                one.looked = True
    finally:
        service.watcher = None


async def _look(waiting: list[_Waiting], client: Client, service: _Service) -> None:
    """Tell those whose reply cannot come any more."""
    left = []
    for one in waiting:
        if not client.is_connected or client.stats["reconnects"] != one.reconnects:
            _tell(one, "The message bus was away; what came of the request is unknown.")
        else:
            left.append(one)
    if not left:
        return
    context = service.roll.context
    try:
        pong = await client.request(ping_call(context).subject, b"{}", timeout=WATCH_S)
        held = await _held(left, client, service, pong)
    except NoRespondersError:
        for one in left:
            _tell(one, f"The {context} service went down; what came of the request is unknown.")
        return
    except NatsError:
        held = None  # Slow is not gone; and a connection that is, is seen at the next look.
    for one in left:
        one.missed = 0 if held is None or one.request in held else one.missed + 1
    missed = [one for one in left if one.missed >= MISSED]
    if missed and not await _may_be_old(client, service):
        for one in missed:
            _tell(one, f"The {context} service lost it; what came of the request is unknown.")


async def _held(
    waiting: list[_Waiting], client: Client, service: _Service, pong: Msg
) -> set[str] | None:
    """What the service's replicas have of what is waited for; None when that cannot be known."""
    now = asyncio.get_running_loop().time()
    if _is_old(pong):
        service.old_until = now + OLD_S
    if now < service.old_until or len(waiting) > MOST_ASKED:
        return None
    return await service.roll.held(client, [one.request for one in waiting], WATCH_S)


async def _may_be_old(client: Client, service: _Service) -> bool:
    """Whether one of several pings, of which each goes to any replica, meets an old one."""
    ping = ping_call(service.roll.context).subject
    asked = (client.request(ping, b"{}", timeout=WATCH_S) for _ in range(SURE))
    pongs = await asyncio.gather(*asked, return_exceptions=True)
    answers = [pong for pong in pongs if isinstance(pong, Msg)]
    if any(_is_old(pong) for pong in answers):
        service.old_until = asyncio.get_running_loop().time() + OLD_S
        return True
    return len(answers) < SURE  # Not sure; it is looked again.


def _is_old(pong: Msg) -> bool:
    """Whether who answered a ping is of release 0.2.0, which does not tell what it has."""
    if ERROR_CODE in (pong.headers or {}):
        return False
    try:
        return Pong.model_validate_json(pong.data).instance is None
    except ValidationError:
        return True


def _tell(one: _Waiting, text: str) -> None:
    if not one.lost.done():
        one.lost.set_result(Unavailable(text, loggable=True))
