"""What agents cost now, as the registry says: remembered until it says that an agent changed."""

import time
from collections.abc import Callable
from typing import NamedTuple

from nats.aio.msg import Msg

from chassis.bus.calls import Bus
from contracts.envelope import Envelope
from contracts.errors import Conflict, NotFound, TooSlow, Unavailable
from contracts.registry import GET_AGENT, AgentState, GetAgent
from task_svc.domain import Quote, price_fields

AGENT_CHANGES = "bazaar.evt.agent.*.*"
FRESH_S = 2.0
"""How long a quote holds when no change is heard of, in case a change was missed."""
LAST_KNOWN_S = 3_600.0
"""How long an agent is called by what was known of it, while the registry does not answer."""
MOST = 10_000
X402 = "x402"
"""The capability by which a listing says that its agent answers 402 and is paid by x402."""
_OVER = float("-inf")
_ABOUT_PRICE = frozenset({"repriced", "availability_changed"})
"""Events after which an agent is where and what it was."""
_AS_WORDS: dict[AgentState, str] = {
    "draft": "not on the market yet",
    "suspended": "suspended",
    "retired": "no longer on the market",
}


class _Known(NamedTuple):
    """A quote, when it was asked for, and until when it is used without asking again."""

    quote: Quote
    asked_at: float
    until: float


class OffTheMarket(Conflict):
    """The agent is listed, and cannot be called: a draft, suspended, or retired."""


class Quotes:
    """Quotes of this replica; every replica hears every change."""

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask the registry over `bus`."""
        self._bus = bus
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._changes = 0

    async def listen(self) -> None:
        """Hear of agents that were repriced, updated, or came and went."""
        client = await self._bus.client()
        await client.subscribe(AGENT_CHANGES, cb=self._changed)

    async def _changed(self, message: Msg) -> None:
        self._changes += 1
        _, _, _, kind, agent_id = message.subject.split(".")
        if kind in _ABOUT_PRICE and agent_id in self._known:
            self._known[agent_id] = self._known[agent_id]._replace(until=_OVER)
        else:
            self._known.pop(agent_id, None)

    def known(self, agent_id: str) -> Quote | None:
        """What is known of an agent now, without asking; None when it would have to be asked."""
        known = self._known.get(agent_id)
        return known.quote if known is not None and self._clock() < known.until else None

    async def of(self, agent_id: str, cause: Envelope) -> Quote:
        """What the registry says about an agent now.

        Raises:
            NotFound: no such agent.
            OffTheMarket: it cannot be called now, or ever.
            Unavailable, TooSlow: the registry does not answer, and nothing is known from before.
        """
        if (quote := self.known(agent_id)) is not None:
            return quote
        asked_at, changes = self._clock(), self._changes
        try:
            agent = (await self._bus.ask(GET_AGENT, GetAgent(agent_id=agent_id), cause)).agent
        except (Unavailable, TooSlow):
            # An agent that left the market meanwhile is not there any more.
            known = self._known.get(agent_id)
            if known is None or asked_at - known.asked_at > LAST_KNOWN_S:
                raise
            self._known[agent_id] = known._replace(until=self._clock() + FRESH_S)
            return known.quote
        except NotFound:
            self._known.pop(agent_id, None)
            raise
        if agent.state != "active":
            self._known.pop(agent_id, None)
            why = f": {agent.state_reason}" if agent.state_reason else ""
            raise OffTheMarket(f"{agent.name} is {_AS_WORDS[agent.state]}{why}")
        quote = Quote(
            agent_name=agent.name,
            endpoint_url=agent.endpoint_url,
            skills=agent.skills,
            base_price=agent.base_price,
            dynamic_price=agent.dynamic_price,
            negotiable=agent.negotiable,
            price_fields=price_fields(agent.input_schema),
            billing=agent.billing if "billing" in agent.model_fields_set else None,
            protocol=agent.protocol,
            tool=agent.tool,
            limit_s=agent.limit_s,
            at_once=agent.at_once,
            paid_by="x402" if X402 in agent.capabilities else None,
            breaker=agent.breaker,
            retry_at=agent.retry_at,
        )
        if len(self._known) >= MOST:
            self._known.clear()
        if changes == self._changes:
            # Otherwise the answer may be from before a change that was heard meanwhile.
            self._known[agent_id] = _Known(quote, asked_at, asked_at + FRESH_S)
        return quote
