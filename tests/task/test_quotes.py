"""What agents cost: asked once in a while, and again when the registry says that one changed."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from chassis.bus.envelopes import origin
from contracts.errors import NotFound, Refusal, TooSlow, Unavailable
from contracts.registry import AgentReply, AgentState, AgentView
from task_svc.quotes import FRESH_S, LAST_KNOWN_S, OffTheMarket, Quotes

HERE = origin("task", "test")


class Registry:
    """A bus on which the registry names a higher price each time it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.state: AgentState = "active"
        self.down: Refusal | None = None
        self.during: Callable[[], Awaitable[None]] | None = None
        self._hear: Callable[[Any], Awaitable[None]] | None = None

    async def client(self) -> "Registry":
        return self

    async def subscribe(self, subject: str, cb: Callable[[Any], Awaitable[None]]) -> None:
        assert subject == "bazaar.evt.agent.*.*"
        self._hear = cb

    async def says_changed(self, agent_id: str = "a", kind: str = "repriced") -> None:
        assert self._hear is not None
        await self._hear(SimpleNamespace(subject=f"bazaar.evt.agent.{kind}.{agent_id}"))

    async def ask(self, _call: Any, request: Any, _cause: Any) -> AgentReply:
        self.asked += 1
        price = Decimal(self.asked)
        if self.during is not None:
            await self.during()
        if self.down is not None:
            raise self.down
        if request.agent_id == "nobody":
            raise NotFound("Agent not found")
        agent = AgentView(
            id=request.agent_id,
            name="A",
            description="",
            skills=["general"],
            base_price=Decimal(1),
            dynamic_price=price,
            load=0,
            rating=Decimal(4),
            jobs_completed=0,
            endpoint_url="http://a",
            capabilities=[],
            avg_response_time=0,
            availability=True,
            state=self.state,
            state_reason=None if self.state == "active" else "It lies.",
        )
        return AgentReply(agent=agent)


@pytest.fixture
async def parts() -> tuple[Registry, Quotes, list[float]]:
    registry, now = Registry(), [100.0]
    quotes = Quotes(registry, clock=lambda: now[0])  # type: ignore[arg-type]  # what it uses of a bus
    await quotes.listen()
    return registry, quotes, now


async def test_a_quote_is_kept_for_a_while(parts: tuple[Registry, Quotes, list[float]]):
    registry, quotes, now = parts
    first = await quotes.of("a", HERE)
    now[0] += FRESH_S * 0.9
    assert await quotes.of("a", HERE) == first
    now[0] += FRESH_S * 0.2
    assert (await quotes.of("a", HERE)).dynamic_price == 2
    assert (await quotes.of("b", HERE)).dynamic_price == 3
    assert registry.asked == 3


async def test_a_change_is_asked_for_at_once(parts: tuple[Registry, Quotes, list[float]]):
    registry, quotes, _ = parts
    await quotes.of("a", HERE)
    await quotes.of("b", HERE)
    await registry.says_changed("a")
    assert (await quotes.of("a", HERE)).dynamic_price == 3
    assert (await quotes.of("b", HERE)).dynamic_price == 2


async def test_an_answer_that_a_change_crossed_is_not_kept(
    parts: tuple[Registry, Quotes, list[float]],
):
    registry, quotes, _ = parts
    registry.during = registry.says_changed
    await quotes.of("a", HERE)
    registry.during = None
    assert (await quotes.of("a", HERE)).dynamic_price == 2


async def test_an_agent_that_is_not_there_is_asked_for_again(
    parts: tuple[Registry, Quotes, list[float]],
):
    registry, quotes, _ = parts
    for _ in range(2):
        with pytest.raises(NotFound):
            await quotes.of("nobody", HERE)
    assert registry.asked == 2


@pytest.mark.parametrize("state", ["draft", "suspended", "retired"])
async def test_an_agent_off_the_market_is_refused_in_words(
    parts: tuple[Registry, Quotes, list[float]], state: AgentState
):
    registry, quotes, _ = parts
    registry.state = state
    with pytest.raises(OffTheMarket, match=r"^A is .+: It lies\.$"):
        await quotes.of("a", HERE)


@pytest.mark.parametrize("down", [Unavailable("down"), TooSlow("slow")], ids=["down", "slow"])
async def test_without_a_registry_the_last_that_was_known_counts(
    parts: tuple[Registry, Quotes, list[float]], down: Refusal
):
    registry, quotes, now = parts
    first = await quotes.of("a", HERE)
    registry.down = down
    now[0] += 60
    await registry.says_changed("a")
    assert await quotes.of("a", HERE) == first
    asked = registry.asked
    assert await quotes.of("a", HERE) == first  # It is not asked again at once.
    assert registry.asked == asked
    with pytest.raises(type(down)):
        await quotes.of("b", HERE)
    now[0] += LAST_KNOWN_S
    with pytest.raises(type(down)):
        await quotes.of("a", HERE)


async def test_without_a_registry_nobody_is_called_who_was_suspended(
    parts: tuple[Registry, Quotes, list[float]],
):
    registry, quotes, _ = parts
    await quotes.of("a", HERE)
    registry.down = Unavailable("down")
    await registry.says_changed("a", "suspended")
    with pytest.raises(Unavailable):
        await quotes.of("a", HERE)
