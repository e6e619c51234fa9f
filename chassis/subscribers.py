"""What a service hears: FastStream's subscribers, with dispatch of our own below them.

FastStream keeps the decorators, start and stop, and AsyncAPI. Per message it would parse, solve
dependencies, enter scopes and publish the reply, which cost more than most handlers; so what it
subscribes with is replaced by a subscription that goes straight to the handler.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from faststream.nats import NatsBroker
from nats.aio.msg import Msg

from chassis.bus import answers, consumes, leave
from chassis.injection import Function, described
from chassis.pulling import Pull
from chassis.workers import Workers
from contracts.base import Call
from contracts.topology import Durable

Work = Callable[[Msg], Awaitable[object]]
PING = ".ping"


class Subscribers:
    """The subscribers of a service's broker.

    Attributes:
        functions: what answers requests and handles messages, with what was bound to each.
    """

    def __init__(self, broker: NatsBroker) -> None:
        """Nothing is heard yet."""
        self._broker = broker
        self.functions: list[Function] = []
        self._answering: dict[str, Workers] = {}
        self._consuming: dict[str, Workers] = {}
        self._pulls: list[Pull] = []

    def answer(self, call: Call[Any, Any], function: Function, work: Work, workers: int) -> None:
        """Have requests of a call worked on; `function` is what answers them in the end."""
        options = answers(call, workers=workers)
        subscriber: Any = self._broker.subscriber(**options)
        subscriber(described(function))
        self.functions.append(function)
        hands = self._answering[call.subject] = Workers(work, workers)

        async def subscribe() -> None:
            subscriber.subscription = await subscriber.connection.subscribe(
                call.subject, call.context, hands.take, **subscriber.extra_options
            )

        subscriber._create_subscription = subscribe  # noqa: SLF001  (FastStream's one seam for it)

    def consume(self, durable: Durable, function: Function, work: Work) -> None:
        """Have messages of a durable worked on; `function` is what handles them in the end."""
        subscriber: Any = self._broker.subscriber(**consumes(durable))
        subscriber(described(function))
        self.functions.append(function)
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
        await asyncio.gather(*(subscriber.stop() for subscriber in self._broker.subscribers))
        workers = [*self._consuming.values(), *self._answering.values()]
        await asyncio.gather(*(one.stop(at_most_s) for one in workers))
