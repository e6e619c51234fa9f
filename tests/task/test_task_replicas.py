"""Replicas that die, stop and share: a step is finished by whoever is left, and paid once."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from chassis.bus import watching
from chassis.bus.envelopes import new_id, origin
from contracts.approvals import DECIDE_APPROVAL, LIST_APPROVALS
from contracts.errors import BadAnswer, Conflict, Refusal
from contracts.orders import AddSteps
from contracts.spending import OPEN_SPENDER
from contracts.task import INVOKE_AGENT, InvokeAgent
from task_svc import runner, store
from task_svc.ending import Failed, answer_to
from tests.support.bound import bound
from tests.support.polling import eventually
from tests.support.scripted_agent import (
    Behaviour,
    accepts,
    answers,
    hangs,
    refuses,
    says,
    waits_for,
)
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import Said, System, listening
from tests.task.plans import bill, result_of, spec, start
from tests.task.replica import replica

WORKS = answers("done", 0.3)
LEASE = "SELECT lease_until, lease_owner FROM task.steps WHERE id = $1"
FORGET = (
    "UPDATE task.steps SET lease_until = now() - interval '1 second'"
    " WHERE id = $1 AND lease_owner = $2"
)


@pytest.fixture(scope="module")
async def system(stack: Stack) -> AsyncIterator[System]:
    """Registry and payment; the task services are the tests' own."""
    payment = payment_service(stack)
    async with running(registry_service(stack), payment), listening(stack, payment) as system:
        yield system


async def once(system: System, task_id: str, step_id: str) -> None:
    """Wait until this step was started, completed and paid for, each exactly once."""

    async def said(type_: str) -> list[Said]:
        return [one for one in system.events(task_id, type_) if one.body["stepId"] == step_id]

    for type_ in ("step.started", "step.completed", "payment.recorded"):
        assert len(await eventually(partial(said, type_))) == 1, type_


async def take_over(system: System, step_id: str, other: runner.Runner) -> None:
    """Have a step's replica take no notice of it, and another one take it.

    The first shows a sign of life soon after its start, which may come in between.
    """
    owner = (await system.rows(LEASE, step_id))[0]["lease_owner"]

    async def taken() -> bool:
        await system.rows(FORGET, step_id, owner)
        await other.sweep()
        return bool((await system.rows(LEASE, step_id))[0]["lease_owner"] != owner)

    await eventually(taken)


async def test_a_killed_replicas_plan_is_finished_by_another(system: System, task_id: str):
    account = await system.account()
    first, second = f"{task_id}-1", f"{task_id}-2"
    async with system.agent(hangs, answers("done", 0.3), price="0.3") as (agent_id, agent):
        async with replica(system.stack) as doomed:
            plan = start(
                task_id,
                spec(first, agent_id, {"text": "hi"}),
                spec(second, agent_id, {"text": result_of(first)}, depends_on=[first]),
            )
            await system.order(account, plan)
            await agent.called()
            doomed.kill()
        async with running(task_service(system.stack)):
            await agent.called(3)
            await system.event(task_id, "payment.recorded", count=2)
            await system.finish(account, task_id)
            ended = (await system.event(task_id, "task.completed")).body
    assert agent.keys == [first, first, second]
    assert len({call.headers["traceparent"] for call in agent.calls}) == 1
    assert agent.calls[2].payload == {"text": "done"}
    await once(system, task_id, first)
    await once(system, task_id, second)
    assert bill(ended) == Decimal("0.6")
    assert await system.wallet(account) == (Decimal("99.4"), Decimal(0))


async def test_a_killed_replicas_call_is_finished_by_another(system: System):
    account = await system.account()
    async with system.agent(hangs, answers("done", 0.3), price="0.3") as (agent_id, agent):
        async with replica(system.stack) as doomed:
            waiting = asyncio.create_task(system.invoke(account, agent_id))
            await agent.called()
            doomed.kill()
        async with running(task_service(system.stack)):
            await agent.called(2)
            (row,) = await system.rows("SELECT id FROM task.tasks WHERE account = $1", account)
            task = await system.ended(account, row["id"])
            assert await system.paid(account, task.id) == Decimal("0.3")
    waiting.cancel()
    assert task.status == "completed"
    assert len(set(agent.keys)) == 1
    await once(system, task.id, agent.keys[0])


async def test_a_step_that_the_release_before_began_goes_on_as_it_was(system: System, task_id: str):
    """Nothing was promised then: it is paid up to the budget, and its hold extended."""
    account = await system.account()
    async with system.agent(hangs, WORKS, price="0.10") as (agent_id, agent):
        async with replica(system.stack) as doomed:
            await system.order(account, start(task_id, spec(task_id, agent_id)))
            await agent.called()
            doomed.kill()
        (row,) = await system.rows("SELECT quote FROM task.steps WHERE id = $1", task_id)
        quote = json.loads(row["quote"])
        for name in ("promise", "billing"):
            del quote[name]
        was = "UPDATE task.steps SET quote = $2, quoted = NULL, max_price = NULL WHERE id = $1"
        await system.rows(was, task_id, json.dumps(quote))
        await system.rows("UPDATE payment.holds SET quoted = NULL WHERE id = $1", task_id)
        async with running(task_service(system.stack)):
            await system.step_is(account, task_id, task_id, "completed")
            assert await system.paid(account, task_id) == Decimal("0.3")
    done = (await system.event(task_id, "step.completed")).body
    assert (done["quoted"], done["overbilled"]) == (None, False)
    await system.event(task_id, "hold.extended")


@pytest.mark.parametrize("then", [WORKS, says({"detail": "Bug"}, 500)])
async def test_a_killed_replicas_caller_is_answered_by_another(
    system: System, then: Behaviour, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watching, "WATCH_S", 0.1)  # Nobody has it in hand until its lease is over.
    account = await system.account()
    async with (
        system.agent(hangs, then, price="0.3") as (agent_id, agent),
        replica(system.stack) as doomed,
    ):
        waiting = asyncio.create_task(system.invoke(account, agent_id))
        await agent.called()
        async with running(task_service(system.stack)):
            doomed.kill()
            if then is WORKS:
                reply = await waiting
                assert (reply.result, reply.cost) == ("done", Decimal("0.3"))
                assert await system.paid(account, reply.task_id) == Decimal("0.3")
            else:
                with pytest.raises(BadAnswer, match="status 500: Bug"):
                    await waiting
    assert len(agent.keys) == 2
    assert len(set(agent.keys)) == 1


async def test_a_caller_hears_what_was_recorded_though_its_replica_was_held_up(system: System):
    account = await system.account()
    gate = asyncio.Event()
    script = [waits_for(gate, says({"detail": "Bug"}, 500)), WORKS]
    services = [task_service(system.stack, sweep_s=3600, lease_s=600) for _ in range(2)]
    async with system.agent(*script, price="0.3") as (agent_id, agent), running(*services):
        waiting = asyncio.create_task(system.invoke(account, agent_id))
        await agent.called()
        (step_id,) = agent.keys
        owner = (await system.rows(LEASE, step_id))[0]["lease_owner"]
        runners = [bound(service, "runner") for service in services]
        await take_over(system, step_id, next(one for one in runners if one.owner != owner))
        reply = await waiting
        gate.set()
        assert (reply.result, reply.cost) == ("done", Decimal("0.3"))
        assert await system.paid(account, reply.task_id) == Decimal("0.3")
        # The other's outcome comes too late: whoever asks is told what was recorded.
        async with services[0].database.transaction() as tx:
            step = await store.find_step(tx.conn, step_id)
        saga = bound(services[0], "saga")
        late = Failed("agent_error", "Bug")
        outcome, _ = await saga.end(step, late, origin("task", "test", account))
        assert answer_to(step, outcome) == reply
    await once(system, reply.task_id, step_id)
    assert system.events(reply.task_id, "step.failed") == []


async def test_a_killed_replicas_negotiation_goes_on_where_it_was(system: System, task_id: str):
    account = await system.account()
    asked = {"negotiation_id": f"n-{task_id}", "task_id": task_id}
    async with system.haggler(haggles=[refuses(), hangs, accepts()]) as (agent_id, agent):
        async with replica(system.stack) as doomed:
            waiting = asyncio.create_task(system.negotiate(account, agent_id, **asked))
            await agent.offered(2)
            doomed.kill()
        waiting.cancel()
        async with running(task_service(system.stack)):
            found = await system.negotiate(account, agent_id, **asked)
            assert await system.negotiate(account, agent_id, **asked) == found
    assert [call.payload["round"] for call in agent.offers] == [1, 2, 2]
    assert agent.offers[1].payload == agent.offers[2].payload
    assert agent.offers[1].key == agent.offers[2].key
    assert (found.price, len(found.offers)) == (Decimal("0.7"), 2)
    assert len(await system.said(task_id, "price.negotiated")) == 1


async def test_a_step_stays_with_its_replica_while_that_shows_signs_of_life(
    system: System, task_id: str
):
    account = await system.account()
    gate, step_id = asyncio.Event(), f"{task_id}-1"
    services = [task_service(system.stack, sweep_s=3600, lease_s=600) for _ in range(2)]
    async with system.agent(waits_for(gate, answers())) as (agent_id, agent), running(*services):
        runners = [bound(service, "runner") for service in services]
        await system.order(account, start(task_id, spec(step_id, agent_id)))
        await agent.called()
        (before,) = await system.rows(LEASE, step_id)
        runners.sort(key=lambda runner: runner.owner != before["lease_owner"])
        mine, other = runners

        await other.sweep()
        await mine.renew()
        (after,) = await system.rows(LEASE, step_id)
        assert after["lease_owner"] == mine.owner
        assert after["lease_until"] > before["lease_until"]
        assert len(agent.calls) == 1

        await system.rows(FORGET, step_id, mine.owner)
        await mine.sweep()
        assert (await system.rows(LEASE, step_id))[0]["lease_until"] > after["lease_until"]
        assert len(agent.calls) == 1, "it was its own all the time"

        await take_over(system, step_id, other)
        await agent.called(2)
        await mine.renew()
        assert (await system.rows(LEASE, step_id))[0]["lease_owner"] == other.owner
        gate.set()
        await system.event(task_id, "payment.recorded")
    assert agent.keys == [step_id] * 2
    await once(system, task_id, step_id)


async def test_replicas_share_the_work_and_do_none_of_it_twice(system: System, task_id: str):
    account = await system.account()
    ids = [f"{task_id}-{n}" for n in range(16)]
    services = [task_service(system.stack, running_steps=2, sweep_s=0.05) for _ in range(2)]
    async with system.agent(answers(cost=0.1)) as (agent_id, agent), running(*services):
        await system.order(account, start(task_id, *(spec(id_, agent_id) for id_ in ids)))
        await system.event(task_id, "payment.recorded", count=len(ids))
    assert sorted(agent.keys) == sorted(ids)
    for id_ in ids:
        await once(system, task_id, id_)


async def test_steps_follow_as_room_comes(system: System, task_id: str):
    account = await system.account()
    ids = [f"{task_id}-{n}" for n in range(7)]
    never_sweeps = task_service(system.stack, running_steps=2, sweep_s=3600)
    async with system.agent() as (agent_id, agent), running(never_sweeps):
        await system.order(account, start(task_id, *(spec(id_, agent_id) for id_ in ids)))
        await system.event(task_id, "step.completed", count=len(ids))
    assert sorted(agent.keys) == ids


async def test_calls_that_take_long_leave_room_for_plans(system: System, task_id: str):
    account = await system.account()
    gate = asyncio.Event()
    async with (
        system.agent(waits_for(gate, answers())) as (slow, agent),
        system.agent() as (quick, _),
        running(task_service(system.stack, running_steps=1)),
    ):
        calls = [asyncio.create_task(system.invoke(account, slow)) for _ in range(2)]
        await agent.called(2)
        await system.order(account, start(task_id, spec(f"{task_id}-1", quick)))
        await system.step_is(account, task_id, f"{task_id}-1", "completed")
        gate.set()
        await asyncio.gather(*calls)


async def test_sigterm_lets_a_running_step_finish(system: System, task_id: str):
    account = await system.account()
    gate = asyncio.Event()
    async with system.agent(waits_for(gate, answers())) as (agent_id, agent):
        async with replica(system.stack, LEASE_S="30") as leaving:
            await system.order(account, start(task_id, spec(f"{task_id}-1", agent_id)))
            await agent.called()
            call = asyncio.create_task(system.invoke(account, agent_id))
            await agent.called(2)
            leaving.terminate()
            await gone(system)
            gate.set()
            reply = await call
            assert await leaving.ends() == 0
        assert reply.result == "done"
        await system.event(task_id, "step.completed")
        await system.event(reply.task_id, "task.completed")
    assert len(agent.calls) == 2
    (row,) = await system.rows("SELECT status FROM task.steps WHERE id = $1", f"{task_id}-1")
    assert row["status"] == "completed"


async def test_a_step_stays_with_a_replica_that_stops_until_it_is_done(
    system: System, task_id: str
):
    account, step_id = await system.account(), f"{task_id}-1"
    gate = asyncio.Event()
    query = "SELECT min(lease_until) AS until, now() FROM task.steps WHERE account = $1"
    async with (
        system.agent(waits_for(gate, answers())) as (agent_id, agent),
        replica(system.stack, LEASE_S="3") as leaving,
    ):
        await system.order(account, start(task_id, spec(step_id, agent_id)))
        call = asyncio.create_task(system.invoke(account, agent_id))
        await agent.called(2)
        (begun,) = await system.rows(query, account)
        leaving.terminate()

        async def renewed() -> bool:
            (row,) = await system.rows(query, account)
            return bool(row["until"] > begun["now"] + timedelta(seconds=5))

        async with running(task_service(system.stack, sweep_s=0.1)):
            await eventually(renewed)
            gate.set()
            assert (await call).result == "done"
            assert await leaving.ends() == 0
            await system.step_is(account, task_id, step_id, "completed")
    assert len(agent.calls) == 2


async def gone(system: System) -> None:
    """Wait until no task service takes requests."""

    async def nobody() -> bool:
        try:
            await system.ask(INVOKE_AGENT, "demo", agent_id="nobody", payload={})
        except Refusal as refused:
            return refused.code == 503
        return False

    await eventually(nobody)


async def test_what_does_not_finish_in_time_is_left_for_another(system: System, task_id: str):
    """At once, and as no failure of its own."""
    account, step = await system.account(), f"{task_id}-1"
    async with system.agent(hangs, hangs, answers()) as (agent_id, agent):
        for calls in (1, 2):
            leaving = task_service(system.stack, lease_s=3600)
            async with running(leaving):
                if calls == 1:
                    await system.order(account, start(task_id, spec(step, agent_id)))
                await agent.called(calls)
                await bound(leaving, "runner").drain(at_most_s=0.1)
            (row,) = await system.rows("SELECT * FROM task.steps WHERE id = $1", step)
            assert (row["failures"], row["lease_owner"]) == (0, None)
        async with running(task_service(system.stack)):
            await system.step_is(account, task_id, step, "completed")
            await system.event(task_id, "payment.recorded")
    assert agent.keys == [step] * 3
    await once(system, task_id, step)


async def test_a_call_that_does_not_finish_in_time_is_answered_by_another(system: System):
    account = await system.account()
    leaving = task_service(system.stack, lease_s=3600)
    leaving.settings.drain_s = 0.1
    async with system.agent(hangs, answers()) as (agent_id, agent), AsyncExitStack() as others:
        async with running(leaving):
            call = asyncio.create_task(system.invoke(account, agent_id))
            await agent.called()
            await others.enter_async_context(running(task_service(system.stack)))
        assert (await call).result == "done"
    assert len(set(agent.keys)) == 1
    assert len(agent.keys) == 2


async def test_a_step_that_cannot_be_run_ends_and_gives_its_money_back(
    system: System, task_id: str, monkeypatch: pytest.MonkeyPatch
):
    give_back = runner.Runner._give_back

    async def and_look_for_more(self: runner.Runner, *step: Any) -> None:
        await give_back(self, *step)
        await self.sweep()

    monkeypatch.setattr(runner, "postponement_s", lambda _: 0)
    # A sweep in the moment between: it takes no step that it would not run.
    monkeypatch.setattr(runner.Runner, "_give_back", and_look_for_more)
    account = await system.account()
    bad, good = f"{task_id}-1", f"{task_id}-2"
    async with system.agent(hangs, answers()) as (agent_id, agent):
        lost = task_service(system.stack)
        async with running(lost):
            await system.order(account, start(task_id, spec(bad, agent_id)))
            await agent.called()
            await bound(lost, "runner").drain(at_most_s=0.1)
        # What nobody expected, with the money held; whoever takes the step meets it again.
        spoil = "UPDATE task.steps SET quote = '{}', lease_until = now() WHERE id = $1"
        await system.rows(spoil, bad)
        async with running(task_service(system.stack, sweep_s=0.05)):
            more = AddSteps(task_id=task_id, steps=[spec(good, agent_id)])
            await system.order(account, more)
            await system.step_is(account, task_id, good, "completed")
            failed = (await system.event(task_id, "step.failed")).body
            assert (failed["stepId"], failed["reason"]) == (bad, "cancelled")
            assert await system.paid(account, task_id) == Decimal("0.1")
    assert agent.keys == [bad, good]
    (row,) = await system.rows("SELECT * FROM task.steps WHERE id = $1", bad)
    assert row["failures"] == runner.MOST_FAILURES
    assert await system.wallet(account) == (Decimal("99.9"), Decimal(0))


async def test_a_step_that_waits_for_a_person_outlives_its_replicas(system: System):
    """One dies while it waits, one right after the word: it is called and paid once."""
    account, spender = await system.account(), new_id()
    terms = {"kind": "session", "hash": "0" * 64, "scopes": ["write"], "approve_above": "0.1"}
    await system.ask(OPEN_SPENDER, account, spender_id=spender, **terms)
    limited = origin("test", "test", account).model_copy(update={"spender": spender})
    async with system.agent(WORKS, price="0.3") as (agent_id, agent):
        call = InvokeAgent(step_id=new_id(), agent_id=agent_id, payload={"text": "hi"})
        async with replica(system.stack) as doomed:
            with pytest.raises(Conflict, match="waits for a person"):
                await system.bus.ask(INVOKE_AGENT, call, limited)

            async def told() -> Any:
                return (await system.ask(LIST_APPROVALS, account)).approvals

            (asked,) = await eventually(told)
            doomed.kill()
        assert (asked.step_id, asked.state, agent.calls) == (call.step_id, "waiting", [])
        async with replica(system.stack) as doomed:
            await system.ask(DECIDE_APPROVAL, account, step_id=asked.step_id, approve=True)
            doomed.kill()
        async with running(task_service(system.stack)):
            task = await system.ended(account, asked.task_id)
            assert await system.paid(account, task.id) == Decimal("0.3")
    assert (task.status, set(agent.keys)) == ("completed", {asked.step_id})
    await once(system, task.id, asked.step_id)
    assert await system.wallet(account) == (Decimal("99.7"), Decimal(0))
