"""What the gateway takes for granted of chat and task: so are the doubles, and so the services."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any, Literal, Protocol

import pytest
from faststream.nats import NatsBroker
from nats.aio.msg import Msg

from chassis.bus.calls import Bus
from chassis.bus.connecting import connect_options
from chassis.bus.envelopes import new_id, origin
from chassis.settings import BusSettings
from contracts.base import Call, ReplyT, RequestT
from contracts.chat import POST_MESSAGE, MessageView, PostReply, TurnCompleted
from contracts.errors import BadAnswer, Busy, Conflict, Invalid, Refusal
from contracts.task import INVOKE_AGENT, InvokeReply
from contracts.users import ADMIN
from tests.chat.services import marketplace, new_skill
from tests.gateway import samples
from tests.gateway.doubles import ChatDouble, TaskDouble
from tests.support.gateways import StandIns
from tests.support.polling import DEADLINE_S, until
from tests.support.scripted_agent import Behaviour, answers, says, waits_for
from tests.support.services import chat_service
from tests.support.stack import Stack, running
from tests.support.talk import Talk

What = Literal["done", "failed", "refused"]


class Side(Protocol):
    """The services, or what stands in for them."""

    async def ask(self, call: Call[RequestT, ReplyT], account: str, **request: Any) -> ReplyT:
        """Ask over the bus."""

    async def account(self) -> str:
        """An account with money."""

    def ends(self, turn_id: str) -> list[MessageView]:
        """The assistant's message of each end of the turn that was told."""

    def slow(self, gate: asyncio.Event) -> AbstractAsyncContextManager[str]:
        """A wish that is answered once the gate is open."""

    def agent(
        self, *script: What, gate: asyncio.Event | None = None
    ) -> AbstractAsyncContextManager[tuple[str, list[str]]]:
        """An agent with what comes of its calls, and the calls as they come."""


class Doubles:
    """The stand-ins."""

    def __init__(self, bus: Bus, services: StandIns) -> None:
        self.bus = bus
        self.services = services
        self.told: dict[str, list[MessageView]] = {}

    async def hear(self, message: Msg) -> None:
        end = TurnCompleted.model_validate_json(message.data)
        self.told.setdefault(end.turn_id, []).append(end.message)

    async def ask(self, call: Call[RequestT, ReplyT], account: str, **request: Any) -> ReplyT:
        asked = call.request.model_validate(request)
        return await self.bus.ask(call, asked, origin("test", "test", account))

    async def account(self) -> str:
        await self.services.answer(POST_MESSAGE, ChatDouble(self.services, is_set()))
        return f"acc-{new_id()[:12]}"

    def ends(self, turn_id: str) -> list[MessageView]:
        return self.told.get(turn_id, [])

    @contextlib.asynccontextmanager
    async def slow(self, gate: asyncio.Event) -> AsyncIterator[str]:
        await self.services.answer(POST_MESSAGE, ChatDouble(self.services, gate))
        yield "Write about the sea"

    @contextlib.asynccontextmanager
    async def agent(
        self, *script: What, gate: asyncio.Event | None = None
    ) -> AsyncIterator[tuple[str, list[str]]]:
        ends: dict[What, InvokeReply | Refusal] = {
            "done": samples.RESULT,
            "failed": BadAnswer("The agent failed with status 500."),
            "refused": Invalid("The agent cannot work with this."),
        }
        double = TaskDouble([*([gate] if gate else []), *(ends[what] for what in script)])
        await self.services.answer(INVOKE_AGENT, double)
        yield "translator", double.tries


class Services:
    """The real ones."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk

    async def ask(self, call: Call[RequestT, ReplyT], account: str, **request: Any) -> ReplyT:
        return await self.talk.system.ask(call, account, **request)

    async def account(self) -> str:
        return await self.talk.system.account()

    def ends(self, turn_id: str) -> list[MessageView]:
        return [end.message for end in self.talk.ends.get(turn_id, [])]

    @contextlib.asynccontextmanager
    async def slow(self, gate: asyncio.Event) -> AsyncIterator[str]:
        skill = new_skill()
        async with self.talk.agent(skill, waits_for(gate, answers("Waves."))):
            yield f"Write a {skill} about the sea"

    @contextlib.asynccontextmanager
    async def agent(
        self, *script: What, gate: asyncio.Event | None = None
    ) -> AsyncIterator[tuple[str, list[str]]]:
        ends: dict[What, Behaviour] = {
            "done": answers("hola", 0.12),
            "failed": says("no", 500),
            "refused": says({"detail": "no"}, 422),
        }
        first, *rest = (ends[what] for what in script)
        first = waits_for(gate, first) if gate else first
        async with self.talk.system.agent(first, *rest, price="0.12") as (agent_id, agent):
            calls: list[str] = agent.calls  # type: ignore[assignment]  # only counted here
            yield agent_id, calls


def is_set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@pytest.fixture
async def doubles(bus_url: str, services: StandIns) -> AsyncIterator[Doubles]:
    broker = NatsBroker(**connect_options(BusSettings(nats_url=bus_url), "test"), logger=None)
    client = await broker.connect()
    found = Doubles(Bus(broker, ADMIN), services)
    await client.subscribe("bazaar.evt.turn.completed.*", cb=found.hear)
    await client.flush()
    yield found
    await broker.stop()


@pytest.fixture(scope="module")
async def real(stack: Stack) -> AsyncIterator[Services]:
    async with marketplace(stack) as talk, running(chat_service(stack)):
        yield Services(talk)


@pytest.fixture(params=["doubles", "real"])
def side(request: pytest.FixtureRequest) -> Side:
    found: Side = request.getfixturevalue(request.param)
    return found


async def post(side: Side, account: str, turn_id: str, **more: Any) -> PostReply:
    return await side.ask(POST_MESSAGE, account, **{"turn_id": turn_id, "content": "Hello"} | more)


async def test_a_turn_ends_once_and_has_its_answer_ready_afterwards(side: Side) -> None:
    account, turn_id = await side.account(), new_id()
    first = await post(side, account, turn_id)
    assert first.answer is None
    await until(lambda: side.ends(turn_id), "the turn ends")
    for _ in range(2):
        again = await post(side, account, turn_id)
        assert again.answer == side.ends(turn_id)[0]
        assert again.model_copy(update={"answer": None}) == first
    assert len(side.ends(turn_id)) == 1
    with pytest.raises(Conflict) as refused:
        await post(side, account, turn_id, content="Something else")
    assert not isinstance(refused.value, Busy)


async def test_a_task_that_is_worked_on_is_busy_until_then(side: Side) -> None:
    account, first, next_ = await side.account(), new_id(), new_id()
    gate = asyncio.Event()
    task_id = (await post(side, account, first)).task_id
    await until(lambda: side.ends(first), "the task is there")
    async with side.slow(gate) as wish:
        second = new_id()
        again = {"content": wish, "task_id": task_id}
        await post(side, account, second, **again)
        assert (await post(side, account, second, **again)).answer is None
        with pytest.raises(Busy):
            await post(side, account, next_, task_id=task_id)
        gate.set()
        await until(lambda: side.ends(second), "the turn ends")
        await post(side, account, next_, task_id=task_id)
        await until(lambda: side.ends(next_), "that one as well")
    assert (await post(side, account, second, **again)).answer == side.ends(second)[0]


async def call(side: Side, account: str, agent_id: str, step_id: str) -> InvokeReply | Refusal:
    request = {"agent_id": agent_id, "payload": {"text": "hello"}, "step_id": step_id}
    try:
        return await side.ask(INVOKE_AGENT, account, **request)
    except Refusal as refused:
        return refused


async def test_a_call_that_was_done_is_answered_again(side: Side) -> None:
    account, step_id = await side.account(), new_id()
    async with side.agent("done") as (agent_id, calls):
        first = await call(side, account, agent_id, step_id)
        assert isinstance(first, InvokeReply)
        assert (first.result, first.cost) == ("hola", Decimal("0.12"))
        assert await call(side, account, agent_id, step_id) == first
    assert len(calls) == 1


async def test_a_call_that_came_to_nothing_is_tried_again(side: Side) -> None:
    account, step_id = await side.account(), new_id()
    async with side.agent("failed", "failed", "done") as (agent_id, calls):
        for _ in range(2):
            assert isinstance(await call(side, account, agent_id, step_id), BadAnswer)
        done = await call(side, account, agent_id, step_id)
        assert isinstance(done, InvokeReply)
        assert await call(side, account, agent_id, step_id) == done
    assert len(calls) == 3


async def test_a_refusal_stands(side: Side) -> None:
    account, step_id = await side.account(), new_id()
    async with side.agent("refused", "done") as (agent_id, calls):
        for _ in range(2):
            assert isinstance(await call(side, account, agent_id, step_id), Invalid)
    assert len(calls) == 1


async def test_a_call_that_runs_is_busy(side: Side) -> None:
    account, step_id, gate = await side.account(), new_id(), asyncio.Event()
    async with side.agent("done", gate=gate) as (agent_id, calls), asyncio.timeout(DEADLINE_S):
        running_ = asyncio.create_task(call(side, account, agent_id, step_id))
        await until(lambda: calls, "the agent is at work")
        assert isinstance(await call(side, account, agent_id, step_id), Busy)
        gate.set()
        done = await running_
        assert await call(side, account, agent_id, step_id) == done
    assert len(calls) == 1
