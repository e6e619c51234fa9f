"""A chat service that is killed: another finishes its turns, each answered and paid once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial

from nats.aio.msg import Msg

from chassis import topology
from chassis.bus.envelopes import new_id
from chat_svc.domain import step_id_of, task_id_of
from contracts.envelope import TURN
from contracts.topology import DURABLES, EVENTS
from tests.chat.services import new_skill
from tests.support.polling import eventually
from tests.support.processes import ServiceProcess, process
from tests.support.scripted_agent import answers, waits_for
from tests.support.stack import Stack
from tests.support.streams import jetstream, stored
from tests.support.talk import NOTHING, End, Talk
from tests.task.plans import wraps

MOMENTS = ("message.posted", "plan.proposed", "step.completed", "task.completed")
CHAT = [durable for durable in DURABLES if durable.name.startswith("chat-")]


def replica(stack: Stack) -> AbstractAsyncContextManager[ServiceProcess]:
    stores = {"NATS_URL": stack.nats_url, "DATABASE_URL": stack.database_url("chat")}
    return process("chat_svc", **stores)


@asynccontextmanager
async def impatient(stack: Stack) -> AsyncIterator[None]:
    """A server that gives what the dead had in work to others after 1 s already."""
    async with jetstream(stack.nats_url) as js:
        for durable in CHAT:
            soon = topology.consumer_config(replace(durable, ack_wait_s=1))
            await js.add_consumer(durable.stream, soon)
        try:
            yield
        finally:
            for durable in CHAT:
                await js.add_consumer(durable.stream, topology.consumer_config(durable))


async def say_and_kill(talk: Talk, doomed: ServiceProcess, account: str, wish: str, at: str) -> str:
    """Say something and kill who heard it once `at` was said about it; the turn's id."""
    turn_id, dead = f"turn-{new_id()}", asyncio.Event()

    async def kill(said: Msg) -> None:
        if (said.headers or {}).get(TURN) == turn_id:
            doomed.popen.kill()
            dead.set()

    client = await talk.system.bus.client()
    deadly = await client.subscribe(f"bazaar.evt.{at}.*", cb=kill)
    await client.flush()
    posting = asyncio.create_task(talk.say(account, wish, turn_id=turn_id))
    async with asyncio.timeout(30):
        await dead.wait()
    await asyncio.gather(posting, return_exceptions=True)  # the dead may not have answered
    await deadly.unsubscribe()
    return turn_id


async def test_whenever_it_is_killed_another_goes_on(stack: Stack, market: Talk, skill: str):
    account, after, slowly = await market.system.account(), new_skill(), new_skill()
    wish = f"Write a {skill} about the sea, then write a {after} about it"
    gate, asked = asyncio.Event(), list[str]()
    async with (
        market.agent(skill, wraps("first", 0.1)) as first,
        market.agent(after, wraps("second", 0.2), price="0.20") as second,
        market.agent(slowly, waits_for(gate, answers("At last.", 0.1))) as slow,
    ):
        for moment in MOMENTS:
            async with replica(stack) as doomed:
                await eventually(doomed.is_ready)
                if not asked:
                    patient = await market.say(account, f"Write a {slowly} about the sea")
                    await slow.does.called()
                turn_id = await say_and_kill(market, doomed, account, wish, moment)
                asked.append(turn_id)
        async with replica(stack) as heir:
            await eventually(heir.is_ready)
            async with impatient(stack):
                gate.set()
                for turn_id in asked:  # as whoever got no answer does
                    assert await market.say(account, wish, turn_id=turn_id) == turn_id
                ends = [await market.end(turn_id) for turn_id in (*asked, patient)]
                await market.quiet()
            await each_once(stack, market, account, ends)
    for end in ends[:-1]:
        assert end.text == f"second(first(Write a {skill} about the sea))"
        assert end.bill == {first.name: Decimal("0.1"), second.name: Decimal("0.2")}
    assert ends[-1].text == "At last."
    for index, agent in enumerate((first, second)):
        called = [step_id_of(turn_id, f"s{index}", 0) for turn_id in asked]
        assert sorted(agent.does.keys) == sorted(called)
    assert slow.does.keys == [step_id_of(patient, "s0", 0)]


async def each_once(stack: Stack, talk: Talk, account: str, ends: list[End]) -> None:
    """Every turn was asked and answered once, and everything was paid once."""
    messages = await talk.messages(account)
    assert len(messages) == 2 * len(ends)
    assert [end.message for end in ends if end.message not in messages] == []
    async with jetstream(stack.nats_url) as js:
        for end in ends:
            assert end.status == "completed"
            assert end.total > 0
            about = task_id_of(end.turn_id)
            for type_ in ("plan.proposed", "turn.completed", "task.created", "task.completed"):
                subject = f"bazaar.evt.{type_}.{about}"
                said = await eventually(partial(stored, js, EVENTS.name, subject))
                assert len(said) == 1, type_
    spent = sum((end.total for end in ends), NOTHING)
    assert await talk.system.wallet(account) == (100 - spent, NOTHING)
