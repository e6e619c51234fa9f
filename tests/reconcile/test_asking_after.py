"""What is asked after, what follows, and what never follows: a second payment."""

import asyncio
import json
from collections import Counter
from decimal import Decimal
from functools import partial
from typing import Any

from nats.aio.msg import Msg

from chassis.bus.envelopes import new_id, origin
from contracts import topology
from contracts.ledger import ENTER_PAYMENT
from contracts.standing import TELL_ENDS, EndsTold, TellEnds
from payment_svc.check import store as store_check
from payment_svc.check import store_standing
from payment_svc.check.reconcile import ask_after_steps
from payment_svc.settings import Settings as PaymentSettings
from registry_svc.handlers.reconcile import count_again
from task_svc.handlers.standing import ask_after_ends
from tests.reconcile.conftest import Parts
from tests.reconcile.holding import OLD, hold, hold_of, let_go
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, says, waits_for
from tests.support.services import payment_service, task_settings
from tests.support.stack import Stack, running
from tests.support.streams import settled
from tests.support.system import System
from tests.task.plans import spec, start

CALLS = 12
PAID = "SELECT count(*), sum(amount) FROM payment.bazaarbucks_payments WHERE step_id = ANY($1)"


def at_once() -> PaymentSettings:
    """Settings by which every hold is old enough, and nothing is asked after twice in a test."""
    return PaymentSettings(reconcile_s=0.001)


async def tell(parts: Parts, **asked: Any) -> EndsTold:
    return await parts.system.bus.ask(TELL_ENDS, TellEnds(**asked), origin("test", "test"))


async def test_an_end_that_is_told_again_is_the_same_event(parts: Parts) -> None:
    system, said = parts.system, list[tuple[str, str, Any]]()

    async def hear(message: Msg) -> None:
        id_ = (message.headers or {})["ce-id"]
        said.append((message.subject, id_, json.loads(message.data)))

    account, task_id = await system.account(), f"task-{new_id()[:10]}"
    client = await system.bus.client()
    ear = await client.subscribe(f"bazaar.evt.*.*.{task_id}", cb=hear)
    bought = answers("done", 0.1, external_cost=0.2, vendor="A shop", requires_external_tool=True)
    async with (
        system.agent(bought, price="1") as (good, _),
        system.agent(says("no", 500)) as (bad, _),
    ):
        ids = [f"{name}-{task_id}" for name in ("good", "bad")]
        await system.order(account, start(task_id, spec(ids[0], good), spec(ids[1], bad)))
        for id_, status in zip(ids, ("completed", "failed"), strict=True):
            await system.step_is(account, task_id, id_, status)
        await system.finish(account, task_id, turn_id=f"turn-{task_id}")
        await system.event(task_id, "task.completed")
    told = await tell(parts, step_ids=[*ids, "nobody"], task_ids=[task_id, "none"])
    assert told.steps == {ids[0]: "ended", ids[1]: "ended", "nobody": "unknown"}
    assert told.tasks == {task_id: "ended", "none": "unknown"}
    kinds = ("step.completed", "step.failed", "task.completed")

    async def twice() -> bool:
        return all(sum(kind in subject for subject, _, _ in said) == 2 for kind in kinds)

    await eventually(twice)
    await ear.unsubscribe()
    for kind in kinds:
        first, second = [one for one in said if kind in one[0]]
        assert first == second
    assert await system.paid(account, task_id) == Decimal("0.3")
    js = client.jetstream()
    kept = await js.stream_info("EVENTS", subjects_filter=f"bazaar.evt.step.*.{task_id}")
    assert sum((kept.state.subjects or {}).values()) == 4  # Two starts, two ends: no repeat.


async def test_asking_beside_the_normal_way_never_pays_twice(parts: Parts, stack: Stack) -> None:
    system = parts.system
    account, other = await system.account(), payment_service(stack, reconcile_s=86_400)
    async with running(other):
        async with system.agent(answers("done", 0.1), price="0.5") as (agent_id, _):
            calls = [asyncio.create_task(system.invoke(account, agent_id)) for _ in range(CALLS)]
            while not all(call.done() for call in calls):
                await asyncio.gather(
                    *(
                        ask_after_steps(one.database, one.bus, at_once())
                        for one in (parts.payment, other)
                    )
                )
        ids = [call.result().step_id for call in calls]
        await asyncio.gather(*(tell(parts, step_ids=ids) for _ in range(3)))

        async def all_captured() -> bool:
            rows = [await hold_of(system, id_) for id_ in ids]
            return all(row["status"] == "captured" for row in rows)

        await eventually(all_captured)
    (row,) = await system.rows(PAID, ids)
    assert tuple(row) == (CALLS, Decimal("1.2"))
    assert await system.wallet(account) == (Decimal(100) - Decimal("1.2"), Decimal(0))


async def test_two_messages_about_one_end_capture_once(parts: Parts) -> None:
    """As of a step that release 0.2 ended: its event had another id than the one told again."""
    system = parts.system
    account = await system.account()
    async with system.agent(answers("done", 0.1)) as (agent_id, _):
        reply = await system.invoke(account, agent_id)
    said = await system.event(reply.task_id, "step.completed")
    js = (await system.bus.client()).jetstream()
    for _ in range(3):
        headers = said.headers | {"ce-id": new_id(), "Nats-Msg-Id": new_id()}
        subject = f"bazaar.evt.step.completed.{reply.task_id}"
        await js.publish(subject, json.dumps(said.body).encode(), headers=headers)

    durable = topology.PAYMENT_STEP_COMPLETED
    await eventually(lambda: settled(js, durable.stream, durable.name))
    (row,) = await system.rows(PAID, [reply.step_id])
    assert tuple(row) == (1, Decimal("0.1"))
    assert await system.wallet(account) == (Decimal(100) - Decimal("0.1"), Decimal(0))


async def test_what_goes_on_stands_and_what_nobody_knows_is_found(parts: Parts) -> None:
    system, gate = parts.system, asyncio.Event()
    db, hourly = parts.payment.database, PaymentSettings(reconcile_s=3600)
    account = await system.account()

    async def standing() -> int:
        async with db.transaction() as tx:
            return sum((await store_check.broken_standing(tx.conn, 80_000)).values())

    strange = await hold(system, account)
    async with system.agent(waits_for(gate, answers("done", 0.1))) as (agent_id, agent):
        call = asyncio.create_task(system.invoke(account, agent_id))
        await agent.called()
        in_hand = agent.keys[0]
        await ask_after_steps(db, parts.payment.bus, hourly)
        assert (await hold_of(system, in_hand))["ask_at"] is None  # Too young.
        before = await standing()
        for id_ in (in_hand, strange):
            await system.rows(OLD, id_)
        assert await standing() == before + 2
        await ask_after_steps(db, parts.payment.bus, hourly)
        assert await standing() == before + 1
        assert (await hold_of(system, in_hand))["running"]
        assert not (await hold_of(system, strange))["running"]
        gate.set()
        await call
    await let_go(system, account, strange)
    assert await standing() == before


async def test_holds_are_taken_by_one_replica_each_and_not_twice(parts: Parts) -> None:
    system, db = parts.system, parts.payment.database
    account = await system.account()
    mine = [await hold(system, account) for _ in range(6)]
    for id_ in mine:
        await system.rows(OLD, id_)
    taken: Counter[str] = Counter()
    async with db.transaction() as one, db.transaction() as two:
        for tx in (one, two, one, two):
            taken.update(await store_standing.claim_open(tx.conn, 3600, 3))
    async with db.transaction() as tx:
        taken.update(await store_standing.claim_open(tx.conn, 3600, 50))
    assert [taken[id_] for id_ in mine] == [1] * len(mine)
    await let_go(system, account, *mine)


async def test_steps_in_hand_are_put_right(parts: Parts) -> None:
    system, gate = parts.system, asyncio.Event()
    account, db = await system.account(), parts.registry.database

    async def active(agent_id: str) -> int:
        query = "SELECT active FROM registry.agents WHERE id = $1"
        return int((await system.rows(query, agent_id))[0]["active"])

    async with system.agent(waits_for(gate, answers("done", 0.1))) as (agent_id, agent):
        call = asyncio.create_task(system.invoke(account, agent_id))
        await agent.called()
        for wrong in (9, -3):
            await system.rows(
                "UPDATE registry.agents SET active = $1 WHERE id = $2", wrong, agent_id
            )

            async def right() -> bool:
                await count_again(db, parts.registry.bus)
                return await active(agent_id) == 1

            await eventually(right)
        gate.set()
        await call

        async def none() -> bool:
            return await active(agent_id) == 0

        await eventually(none)
        assert (await system.listed(agent_id)).load == 0


async def test_a_payment_by_hand_that_was_not_heard_of_is_counted_once(parts: Parts) -> None:
    """Such as for the language model: the task's end waits until it has the sum."""
    system, task_id = parts.system, f"task-{new_id()[:10]}"
    account = await system.account()
    async with system.agent(answers("done", 0.1)) as (agent_id, _):
        await system.order(account, start(task_id, spec(f"s-{task_id}", agent_id)))
        await system.step_is(account, task_id, f"s-{task_id}", "completed")
    paid = {"payment_id": f"p-{task_id}", "agent_id": "claude", "amount": "0.5", "max_budget": "10"}
    await system.ask(ENTER_PAYMENT, account, task_id=task_id, **paid)

    async def counted() -> bool:
        return (await system.task(account, task_id)).total_cost == Decimal("0.6")

    await eventually(counted)
    # As if the event had been lost.
    await system.rows("DELETE FROM task.steps WHERE id = $1", paid["payment_id"])
    await system.rows("UPDATE task.tasks SET total_cost = 0.1 WHERE id = $1", task_id)
    await system.rows("UPDATE task.tasks SET created_at = 'epoch' WHERE id = $1", task_id)
    db, hourly = parts.task.database, task_settings(system.stack, reconcile_s=3600)
    await asyncio.gather(*(ask_after_ends(db, parts.task.bus, hourly) for _ in range(2)))
    assert await counted()
    await system.rows("UPDATE task.tasks SET ask_at = NULL WHERE id = $1", task_id)
    await ask_after_ends(db, parts.task.bus, hourly)
    assert await counted()
    await system.finish(account, task_id, turn_id=f"turn-{task_id}")
    assert (await system.ended(account, task_id)).status == "completed"


async def test_an_end_that_cannot_be_told_is_in_no_others_way(parts: Parts) -> None:
    system, account, told = parts.system, await parts.system.account(), list[str]()

    async def hear(message: Msg) -> None:
        told.append(message.subject.rpartition(".")[2])

    async with system.agent(answers("done", 0.1)) as (agent_id, _):
        broken, whole = [await system.invoke(account, agent_id) for _ in range(2)]
    await system.rows("UPDATE task.steps SET quote = '{}' WHERE id = $1", broken.step_id)
    ear = await (await system.bus.client()).subscribe("bazaar.evt.step.completed.*", cb=hear)
    found = await tell(parts, step_ids=[broken.step_id, whole.step_id])
    assert found.steps == {broken.step_id: "ended", whole.step_id: "ended"}

    async def heard() -> bool:
        return whole.task_id in told

    await eventually(heard)
    await ear.unsubscribe()
    assert broken.task_id not in told


async def test_a_payment_that_cannot_be_counted_is_in_no_others_way(parts: Parts) -> None:
    system, account = parts.system, await parts.system.account()
    tasks = [f"task-{new_id()[:10]}" for _ in range(2)]
    for n, task_id in enumerate(tasks):
        await system.order(account, start(task_id))
        await eventually(partial(_stored, system, task_id))
        paid = {"payment_id": f"p-{task_id}", "agent_id": "a", "amount": "1", "max_budget": "10"}
        await system.ask(ENTER_PAYMENT, account, task_id=task_id, **paid)
        await eventually(partial(_counted, system, task_id))
        # As if the event had been lost; the first task has no room for it any more.
        await system.rows("DELETE FROM task.steps WHERE id = $1", f"p-{task_id}")
        await system.rows(
            "UPDATE task.tasks SET total_cost = 0, ask_at = NULL, max_budget = $2,"
            " created_at = 'epoch' WHERE id = $1",
            task_id,
            n * 10,
        )
    hourly = task_settings(system.stack, reconcile_s=3600)
    await ask_after_ends(parts.task.database, parts.task.bus, hourly)
    assert await _counted(system, tasks[1])
    assert not await _counted(system, tasks[0])
    await system.rows("UPDATE task.tasks SET status = 'failed' WHERE id = ANY($1)", tasks)


async def _stored(system: System, task_id: str) -> bool:
    return bool(await system.rows("SELECT FROM task.tasks WHERE id = $1", task_id))


async def _counted(system: System, task_id: str) -> bool:
    (row,) = await system.rows("SELECT total_cost FROM task.tasks WHERE id = $1", task_id)
    return bool(row["total_cost"] == 1)
