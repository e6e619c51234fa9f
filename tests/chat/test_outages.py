"""Services that are away: a turn waits and goes on, or is answered honestly at its deadline."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

import pytest
from nats.aio.msg import Msg

from chassis.service import Service
from chat_svc.domain import task_id_of
from contracts.chat import Think
from contracts.registry import LIST_AGENTS, AgentList, AgentView, ListAgents
from contracts.topology import CHAT_THINK, TASK_FINISH
from tests.chat.services import talking
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, waits_for
from tests.support.services import (
    NOWHERE,
    chat_service,
    payment_service,
    registry_service,
    task_service,
)
from tests.support.stack import Stack, running
from tests.support.talk import NOTHING, Talk

AT_ONCE = 3
MANY = 25
"""More turns than one look for overdue ones takes."""


@pytest.fixture
async def talk(stack: Stack) -> AsyncIterator[Talk]:
    """A person, while the test runs whom it needs of the services."""
    async with talking(stack, payment_service(stack), registry_service(stack)) as talk:
        yield talk


async def new_account(talk: Talk, stack: Stack) -> str:
    """An account with money; payment need not run after that."""
    async with running(payment_service(stack)):
        return await talk.system.account()


async def test_a_turn_waits_for_the_registry(stack: Stack, talk: Talk, skill: str):
    async with AsyncExitStack() as around, running(talk.system.payment, task_service(stack)):
        account = await talk.system.account()
        async with running(talk.registry):
            agent = talk.agent(skill, answers("Waves.", 0.1))
            poet = await around.enter_async_context(agent)
        async with running(chat_service(stack)):
            turn_id = await talk.say(account, f"Write a {skill} about the sea")
            await tried(talk)
            assert (await talk.turn(turn_id))["status"] == "thinking"
            async with running(registry_service(stack)):
                end = await talk.end(turn_id)
    assert end.text == "Waves."
    assert (end.status, end.bill) == ("completed", {poet.name: Decimal("0.1")})


async def test_without_a_registry_a_turn_is_answered_at_its_deadline(stack: Stack, talk: Talk):
    async with running(chat_service(stack, turn_deadline_s=0.3)):
        end = await talk.reply("demo-without-registry", "What agents are available?")
        assert "did not answer in time" in end.text
        assert "Nothing was charged" in end.text
        assert (end.message.task_id, end.message.cost_breakdown) == (None, None)
        async with running(registry_service(stack)):
            await talk.quiet()
        (_, answer) = await talk.messages("demo-without-registry")
    assert answer == end.message
    assert len(talk.ends[end.turn_id]) == 1


async def test_each_of_many_overdue_turns_is_looked_after_once(stack: Stack, talk: Talk):
    replicas = [chat_service(stack, watch_s=0.02) for _ in range(2)]
    account = "demo-with-many-turns"
    async with running(*replicas):
        turn_ids = [await talk.say(account, f"Wish number {n}") for n in range(MANY)]
        await talk.run_out(*turn_ids)
        ends = [await talk.end(turn_id) for turn_id in turn_ids]
        messages = await talk.messages(account)
    assert sorted(message.role for message in messages) == ["assistant"] * MANY + ["user"] * MANY
    assert all(talk.ends[end.turn_id] == [end] for end in ends)


@asynccontextmanager
async def listing(talk: Talk, *pages: AgentList) -> AsyncIterator[None]:
    """In place of the registry, somebody who knows these agents only."""
    by_cursor = dict(zip([None, *(page.next_cursor for page in pages)], pages, strict=False))

    async def answer(question: Msg) -> None:
        asked = ListAgents.model_validate_json(question.data)
        await question.respond(by_cursor[asked.cursor].model_dump_json().encode())

    client = await talk.system.bus.client()
    answering = await client.subscribe(LIST_AGENTS.subject, cb=answer)
    try:
        yield
    finally:
        await answering.unsubscribe()


async def test_nobody_is_in_the_marketplace(stack: Stack, talk: Talk):
    async with running(chat_service(stack)), listing(talk, AgentList(agents=[])):
        for wish in ("What agents are available?", "Translate 'hello' to Spanish"):
            end = await talk.reply("demo-alone", wish)
            assert "no agent" in end.text
            assert (end.message.task_id, end.message.cost_breakdown) == (None, None)


async def test_agents_on_the_last_page_are_known_too(stack: Stack, talk: Talk):
    agents = [sample(f"agent-{n}") for n in range(4)]
    pages = (
        AgentList(agents=agents[:2], next_cursor="two"),
        AgentList(agents=agents[2:3], next_cursor="three"),
        AgentList(agents=agents[3:]),
    )
    async with running(chat_service(stack)), listing(talk, *pages):
        end = await talk.reply("demo-pages", "What agents are available?")
    assert all(agent.name in end.text for agent in agents)


async def test_several_who_think_of_a_turn_at_once_answer_it_once(stack: Stack, talk: Talk):
    """The registry answers nobody before all of them have asked it."""
    asked: list[Msg] = []

    async def wait_for_all(question: Msg) -> None:
        asked.append(question)
        if len(asked) >= AT_ONCE:
            nobody = AgentList(agents=[]).model_dump_json().encode()
            await asyncio.gather(*(one.respond(nobody) for one in asked))

    client = await talk.system.bus.client()
    answering = await client.subscribe(LIST_AGENTS.subject, cb=wait_for_all)
    account = "demo-at-once"
    async with running(chat_service(stack), chat_service(stack)):
        turn_id = await talk.say(account, "What agents are available?")
        for _ in range(AT_ONCE - 1):
            await talk.system.order(account, Think(turn_id=turn_id))
        end = await talk.end(turn_id)
        await talk.quiet()
        assert (await talk.messages(account))[1:] == [end.message]
    await answering.unsubscribe()
    assert talk.ends[turn_id] == [end]


def sample(id_: str) -> AgentView:
    return AgentView(
        id=id_,
        name=f"The {id_}",
        description="",
        skills=["juggle"],
        base_price=Decimal(1),
        dynamic_price=Decimal(1),
        load=0,
        rating=Decimal(5),
        jobs_completed=0,
        endpoint_url=NOWHERE,
        capabilities=[],
        avg_response_time=0,
        availability=True,
    )


async def test_a_step_waits_for_payment_before_its_agent_is_called(
    stack: Stack, talk: Talk, skill: str
):
    account = await new_account(talk, stack)
    async with (
        running(talk.registry, task_service(stack), chat_service(stack)),
        talk.agent(skill, answers("Waves.", 0.1)) as poet,
    ):
        turn_id = await talk.say(account, f"Write a {skill} about the sea")
        await postponed(talk, turn_id)
        assert poet.does.calls == []
        async with running(talk.system.payment):
            end = await talk.end(turn_id)
    assert (end.text, end.status, end.total) == ("Waves.", "completed", Decimal("0.1"))
    assert len(poet.does.calls) == 1


@asynccontextmanager
async def unpaid(
    talk: Talk, stack: Stack, skill: str, *services: Service
) -> AsyncIterator[tuple[str, str]]:
    """An account and its turn whose agent has done its work while payment was away."""
    gate = asyncio.Event()
    async with (
        running(talk.registry, task_service(stack), *services),
        talk.agent(skill, waits_for(gate, answers("Waves.", 0.1))) as poet,
    ):
        async with running(talk.system.payment):
            account = await talk.system.account()
            turn_id = await talk.say(account, f"Write a {skill} about the sea")
            await poet.does.called()
        gate.set()
        await talk.turn_is(turn_id, "settling")
        await eventually(lambda: refused(talk))
        assert turn_id not in talk.ends
        yield account, turn_id
        assert len(poet.does.calls) == 1


async def test_the_bill_waits_for_payment(stack: Stack, talk: Talk, skill: str):
    async with unpaid(talk, stack, skill, chat_service(stack)) as (account, turn_id):
        async with running(payment_service(stack)):
            end = await talk.end(turn_id)
        assert (end.text, end.status, end.total) == ("Waves.", "completed", Decimal("0.1"))
        assert await talk.system.wallet(account) == (Decimal("99.9"), NOTHING)


async def test_a_bill_that_does_not_come_is_said_to_be_missing(
    stack: Stack, talk: Talk, skill: str
):
    async with unpaid(talk, stack, skill, chat_service(stack)) as (account, turn_id):
        await talk.run_out(turn_id)
        end = await talk.end(turn_id)
        assert end.text.startswith("Waves.")
        assert "not settled yet" in end.text
        assert end.message.cost_breakdown is None
        async with running(payment_service(stack)):
            task = await talk.system.ended(account, task_id_of(turn_id))
            await talk.quiet()
            assert (task.status, task.total_cost) == ("completed", Decimal("0.1"))
            assert await talk.system.wallet(account) == (Decimal("99.9"), NOTHING)
        assert (await talk.messages(account))[1:] == [end.message]
        assert talk.ends[turn_id] == [end]


async def tried(talk: Talk) -> None:
    """Wait until the chat service has tried in vain to think."""
    await eventually(lambda: talk.waits(CHAT_THINK))


async def refused(talk: Talk) -> bool:
    """Whether the task service has tried in vain to end a task."""
    return await talk.waits(TASK_FINISH)


async def postponed(talk: Talk, turn_id: str) -> None:
    """Wait until the only step of a turn was given back for later."""
    query = "SELECT attempts FROM task.steps WHERE turn_id = $1 AND lease_owner IS NULL"

    async def so() -> bool:
        rows = await talk.system.rows(query, turn_id)
        return bool(rows and rows[0]["attempts"])

    await eventually(so)
