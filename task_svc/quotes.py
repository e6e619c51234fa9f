"""What agents cost now, as the registry says: remembered until it says that an agent changed."""

import time
from collections.abc import Callable

from nats.aio.msg import Msg

from chassis.bus.calls import Bus
from contracts.envelope import Envelope
from contracts.registry import GET_AGENT, GetAgent
from task_svc.domain import Quote, price_fields

AGENT_CHANGES = "bazaar.evt.agent.*.*"
FRESH_S = 2.0
"""How long a quote holds when no change is heard of, in case a change was missed."""
MOST = 10_000


class Quotes:
    """Quotes of this replica; every replica hears every change."""

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask the registry over `bus`."""
        self._bus = bus
        self._clock = clock
        self._known: dict[str, tuple[float, Quote]] = {}
        self._changes = 0

    async def listen(self) -> None:
        """Hear of agents that were repriced, updated, or came and went."""
        client = await self._bus.client()
        await client.subscribe(AGENT_CHANGES, cb=self._changed)

    async def _changed(self, message: Msg) -> None:
        self._changes += 1
        self._known.pop(message.subject.rpartition(".")[2], None)

    async def of(self, agent_id: str, cause: Envelope) -> Quote:
        """What the registry says about an agent now.

        Raises:
            NotFound: no such agent.
            Unavailable, TooSlow: the registry does not answer.
        """
        known = self._known.get(agent_id)
        if known is not None and self._clock() - known[0] < FRESH_S:
            return known[1]
        asked_at, changes = self._clock(), self._changes
        agent = (await self._bus.ask(GET_AGENT, GetAgent(agent_id=agent_id), cause)).agent
        quote = Quote(
            agent_name=agent.name,
            endpoint_url=agent.endpoint_url,
            skills=agent.skills,
            base_price=agent.base_price,
            dynamic_price=agent.dynamic_price,
            negotiable=agent.negotiable,
            price_fields=price_fields(agent.input_schema),
            protocol=agent.protocol,
            tool=agent.tool,
            limit_s=agent.limit_s,
        )
        if len(self._known) >= MOST:
            self._known.clear()
        if changes == self._changes:
            # Otherwise the answer may be from before a change that was heard meanwhile.
            self._known[agent_id] = (asked_at, quote)
        return quote
