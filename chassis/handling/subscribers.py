"""What a service hears: FastStream's subscribers, with dispatch of our own below them.

FastStream keeps the decorators, start and stop, and AsyncAPI. Per message it would parse, solve
dependencies, enter scopes and publish the reply, which cost more than most handlers; so what it
subscribes with is replaced by a subscription that goes straight to the handler.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from faststream.nats import NatsBroker
from nats.aio.msg import Msg
from nats.errors import BadSubscriptionError

from chassis.bus.calls import Bus
from chassis.bus.changes import Changes
from chassis.bus.subscriptions import RPC_WORKERS, answers, consumes, leave
from chassis.db.database import Database
from chassis.handling.dead_letters import Tell
from chassis.handling.delivery import Answering, Consuming
from chassis.handling.injection import Function, described, handler, named
from chassis.handling.listing import Listed
from chassis.handling.pulling import Pull
from chassis.handling.waiting import WaitingRoom
from chassis.handling.workers import Workers
from contracts.base import Call, ReplyT, RequestT
from contracts.topology import Durable

Work = Callable[[Msg], Awaitable[object]]
PING = ".ping"


class Subscribers:
    """The subscribers of a service's broker.

    Attributes:
        functions: what answers requests and handles messages, with what was bound to each.
    """

    def __init__(
        self,
        broker: NatsBroker,
        db: Database,
        bus: Bus,
        changes: Changes,
        room: WaitingRoom,
        told: Mapping[str, Tell],
    ) -> None:
        """Nothing is heard yet.

        Args:
            broker: whose subscribers these are.
            db: where transactions are.
            bus: by which replies leave.
            changes: what is told before they do.
            room: where messages wait.
            told: who is told what became a dead letter, by the durable's name.
        """
        self._broker = broker
        self._db = db
        self._bus = bus
        self._changes = changes
        self._room = room
        self._told = told
        self.functions: list[Function] = []
        self._answering: dict[str, Workers] = {}
        self._consuming: dict[str, Workers] = {}
        self._pulls: list[Pull] = []

    def answer(
        self,
        call: Call[RequestT, ReplyT],
        function: Callable[..., Awaitable[ReplyT | Listed[ReplyT]]],
        *,
        workers: int = RPC_WORKERS,
    ) -> None:
        """Have a function answer a call; what it takes is told in `chassis.handling.injection`.

        Args:
            call: what is answered.
            function: gets the request, in a transaction if it takes one.
            workers: requests that one replica works on at once; the next ones wait.

        Raises:
            TypeError: the function takes another request, or what nobody binds.
        """
        found = handler(function)
        if found.body[1] is not call.request:
            raise TypeError(f"{named(function)} does not take what {call.subject} is asked")
        subscriber: Any = self._broker.subscriber(**answers(call, workers=workers))
        subscriber(described(function))
        self.functions.append(function)
        work = Answering(found, self._db, self._bus, self._changes)
        hands = self._answering[call.subject] = Workers(work, workers)

        async def subscribe() -> None:
            subscriber.subscription = await subscriber.connection.subscribe(
                call.subject, call.context, hands.take, **subscriber.extra_options
            )

        subscriber._create_subscription = subscribe  # noqa: SLF001  (FastStream's one seam for it)

    def consume(self, durable: Durable, function: Callable[..., Awaitable[None]]) -> None:
        """Have a function handle the messages of a durable; see `chassis.handling.injection`.

        If it takes a transaction, that is the one in which the message takes effect, once.

        Raises:
            TypeError: the function takes what nobody binds.
        """
        subscriber: Any = self._broker.subscriber(**consumes(durable))
        subscriber(described(function))
        self.functions.append(function)
        found = handler(function, durable)
        work = Consuming(durable, found, self._db, self._room, self._told)
        hands = self._consuming[durable.name] = Workers(work, durable.concurrency)

        async def subscribe() -> None:
            pull = subscriber.subscription = Pull(subscriber.connection, durable, hands.take)
            self._pulls.append(pull)
            await pull.open()
            subscriber.add_task(pull.run)

        subscriber._create_subscription = subscribe  # noqa: SLF001  (FastStream's one seam for it)

    def hands(self) -> dict[str, Work]:
        """What handles the messages of which durable."""
        return {name: workers.handle for name, workers in self._consuming.items()}

    def requests(self) -> Iterator[Msg]:
        """The requests that came and are not answered, also those that wait for room."""
        for one in self._broker.subscribers:
            heard: Any = one
            workers = self._answering.get(heard.subject.template)
            if workers is not None:
                yield from workers.in_hand()
                if heard.subscription is not None:
                    # nats-py tells how many messages wait (`pending_msgs`), and not which. A copy,
                    # as more may come between two of them.
                    waiting = heard.subscription._pending_queue._queue  # noqa: SLF001  (no public way to see them)
                    yield from tuple(waiting)

    async def close(self) -> None:
        """Take nothing new; returns when all that had come is in work, and requests are answered.

        Pings are answered to the end: whoever waits for a reply takes silence for a crash.
        """
        await asyncio.gather(*(pull.close() for pull in self._pulls))
        heard: list[Any] = list(self._broker.subscribers)
        leaving = [
            one
            for one in heard
            if one.subject.template in self._answering and not one.subject.template.endswith(PING)
        ]
        client = await self._broker.connect()
        await leave(client, *(one.subscription for one in leaving if one.subscription))
        for one in leaving:
            one.subscription = None
        await asyncio.gather(*(self._answering[one.subject.template].done() for one in leaving))

    async def stop(self, at_most_s: float) -> None:
        """Let what is in work end; what does not end in time comes again."""
        await asyncio.gather(*(self._leave(subscriber) for subscriber in self._broker.subscribers))
        workers = [*self._consuming.values(), *self._answering.values()]
        await asyncio.gather(*(one.stop(at_most_s) for one in workers))

    async def _leave(self, subscriber: Any) -> None:
        """Hear nothing more; a close that was cut short has left some already."""
        try:
            await subscriber.stop()
        except BadSubscriptionError:
            subscriber.subscription = None
