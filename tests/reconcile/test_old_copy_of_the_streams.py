"""An older copy of JetStream's folder under an intact PostgreSQL: all that was lost is made up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from http.client import BAD_GATEWAY
from typing import Any, NamedTuple

from chassis.service import Service
from chat_svc.handlers.overdue import NOT_SETTLED
from contracts import topology
from contracts.ledger import CHECK_LEDGER, LedgerCheck
from payment_svc.check.store import STANDING_RULE
from tests.chat.services import new_skill, talking
from tests.reconcile.losing import back, copied, pause, put_back
from tests.support.polling import eventually
from tests.support.scripted_agent import says, waits_for
from tests.support.services import chat_service, payment_service, registry_service, task_service
from tests.support.stack import Stack, new_stack, running
from tests.support.talk import Listed, Talk
from tests.task.plans import wraps

COST = Decimal("0.1")
PAID = 9
"""Two turns before the loss, a call, and all turns that are left but the failed one."""
NEVER: dict[str, Any] = {"reconcile_s": 3600}
SOON: dict[str, Any] = {"reconcile_s": 0.4}
PAYING = (topology.PAYMENT_STEP_COMPLETED, topology.PAYMENT_STEP_FAILED)
COUNTING = (
    topology.REGISTRY_STEP_STARTED,
    topology.REGISTRY_STEP_COMPLETED,
    topology.REGISTRY_STEP_FAILED,
)
OPEN_HOLDS = "SELECT id FROM payment.holds WHERE status = 'held'"
LONG_AGO = """
    UPDATE payment.holds SET created_at = created_at - interval '1 day' WHERE status = 'held'"""
ASK_AT_ONCE = "UPDATE payment.holds SET ask_at = NULL"
THINK_ANEW = "UPDATE chat.turns SET created_at = now() WHERE status <> 'done'"
UNPAID = """
    SELECT s.id FROM task.steps s
    LEFT JOIN payment.bazaarbucks_payments p ON p.step_id = s.id AND p.type = 'agent_payment'
    WHERE s.status = 'completed' GROUP BY s.id, s.cost
    HAVING count(p.id) <> 1 OR sum(p.amount) <> s.cost"""
UNENDED = "SELECT id FROM task.tasks WHERE status NOT IN ('completed', 'failed')"
BUSY = "SELECT id, active FROM registry.agents WHERE active <> 0"


def services(stack: Stack, replicas: int, **settings: Any) -> tuple[Service, ...]:
    """All four, with so many replicas of those that look after others' work."""
    one_each = (
        registry_service(stack, **settings),
        payment_service(stack, **settings),
        task_service(stack, agent_timeout_s=60, **settings),
        chat_service(stack, turn_deadline_s=600, **settings),
    )
    return one_each if replicas == 1 else (*one_each, *services(stack, replicas - 1, **settings))


class Before(NamedTuple):
    """A person who talks to services, these, and what stops them."""

    talk: Talk
    services: tuple[Service, ...]
    until_lost: contextlib.AsyncExitStack


@contextlib.asynccontextmanager
async def market(stack: Stack) -> AsyncIterator[Before]:
    """The services as they are before a loss."""
    async with contextlib.AsyncExitStack() as until_lost:
        found = services(stack, 1, **NEVER)
        await until_lost.enter_async_context(running(*found))
        async with talking(stack, found[1], found[0]) as talk:
            yield Before(talk, found, until_lost)


async def check(talk: Talk) -> LedgerCheck:
    return await talk.system.ask(CHECK_LEDGER, "demo", full=True)


async def leave_everywhere(talk: Talk, account: str, does: dict[str, Listed]) -> dict[str, str]:
    """Leave a turn at each place where a message is awaited, and calls; the turns' ids.

    Each message is in its stream and with nobody else when the streams are lost.
    """
    system, turns = talk.system, dict[str, str]()

    async def say(name: str, agent: str, status: str) -> str:
        turns[name] = await talk.say(account, wish(does[agent]))
        await talk.turn_is(turns[name], status)
        return str((await talk.turn(turns[name]))["task_id"])

    async def steps_have_ended(task_id: str) -> bool:
        steps = await system.known_steps(account, task_id)
        return bool(steps) and all(step.status in ("completed", "failed") for step in steps)

    await pause(system, topology.CHAT_TASK_COMPLETED)
    await system.ended(account, await say("task.completed", "quick", "settling"))
    await pause(system, *PAYING, *COUNTING)
    await say("task.finish", "quick", "settling")
    assert (await system.invoke(account, does["quick"].id)).cost == COST
    assert (await system.refusal(account, does["bad"].id)).code == BAD_GATEWAY
    await say("running on", "slow", "acting")
    await does["slow"].does.called()
    await pause(system, topology.CHAT_STEP_COMPLETED, topology.CHAT_STEP_FAILED)
    for name, agent in (("step.completed", "quick"), ("step.failed", "bad")):
        task_id = await say(name, agent, "acting")
        await eventually(partial(steps_have_ended, task_id))
    await pause(system, topology.TASK_START)
    await say("task.start", "quick", "acting")
    await pause(system, topology.CHAT_THINK)
    await say("chat.think", "quick", "thinking")
    return turns


def wish(agent: Listed) -> str:
    return f"Write a {agent.name.rpartition(' ')[2]} about the sea"


async def test_what_was_lost_with_the_streams_is_asked_after_and_goes_on() -> None:
    gate = asyncio.Event()
    scripts = {
        "quick": wraps("done", 0.1),
        "bad": says("no", 500),
        "slow": waits_for(gate, wraps("late", 0.1)),
    }
    async with new_stack() as stack, market(stack) as (talk, lost, until_lost):
        system, does = talk.system, dict[str, Listed]()
        account = await system.account()
        async with contextlib.AsyncExitStack() as agents:
            for name, script in scripts.items():
                skill = new_skill()
                agent = await agents.enter_async_context(talk.agent(skill, script))
                does[name] = replace(agent, name=f"The {skill}")
            await talk.reply(account, wish(does["quick"]))
            await talk.quiet()
            copy = await copied(stack)
            await back(system.bus, *(one.bus for one in lost))
            await talk.reply(account, wish(does["quick"]))  # All of it is lost; nobody needs it.
            turns = await leave_everywhere(talk, account, does)
            await put_back(stack, copy)
            await back(system.bus, *(one.bus for one in lost))
            gate.set()
            await until_lost.aclose()
            await system.rows(LONG_AGO)
            async with running(payment_service(stack, **NEVER)):
                broken = [one.rule for one in (await check(talk)).findings if one.broken]
                assert broken == [STANDING_RULE]
            await system.rows(ASK_AT_ONCE)
            await system.rows(THINK_ANEW)
            async with running(*services(stack, 2, **SOON)):
                for name, turn_id in turns.items():
                    end = await talk.end(turn_id)
                    assert NOT_SETTLED not in end.text
                    assert end.total == (0 if name == "step.failed" else COST), name
                await eventually(partial(nothing_is_wrong, talk))
                assert all(len(ends) == 1 for ends in talk.ends.values()), talk.ends
                assert (await check(talk)).ok
                assert (await system.wallet(account))[0] == 100 - COST * PAID


async def nothing_is_wrong(talk: Talk) -> bool:
    return not any([await talk.system.rows(q) for q in (OPEN_HOLDS, UNPAID, UNENDED, BUSY)])
