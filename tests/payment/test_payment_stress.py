"""Everything at once: whatever is asked, repeated and lost, the books are right at each moment."""

import asyncio
import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import asyncpg
from nats.js import JetStreamContext

from chassis import topology
from chassis.bus.envelopes import new_id
from contracts.errors import Conflict, PaymentRequired
from contracts.topology import PAYMENT_STEP_COMPLETED
from payment_svc.app import build
from tests.payment.conftest import payment_settings
from tests.payment.helpers import Customer, broken_books, by_admin, completed, failed, new_customer
from tests.support.polling import eventually
from tests.support.processes import process
from tests.support.stack import Stack, running

WORKERS = 20
STEPS_EACH = 5


@dataclass
class Tally:
    """What came of the steps, as whoever ran them saw it."""

    completed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    declined: int = 0
    extended: int = 0


def amount(chance: random.Random, most: float) -> Decimal:
    return Decimal(chance.randint(0, int(most * 1_000_000))) / 1_000_000


async def run_step(buyer: Customer, chance: random.Random, task: str, tally: Tally) -> None:
    """One step as the task service runs it, with everything that may go wrong on the way."""
    step, asked = new_id(), amount(chance, 1.5)
    asking = [buyer.hold(asked, task=task, id_=step, budget="6")]
    if chance.random() < 0.3:  # The first answer was lost, or another replica asks as well.
        asking.append(buyer.hold(asked, task=task, id_=step, budget="6"))
    if chance.random() < 0.1:  # Cancelled while it asks.
        await buyer.tell(failed(task, step))
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(a, str | PaymentRequired | Conflict) for a in answers), answers
    tally.declined += any(isinstance(answer, PaymentRequired) for answer in answers)
    if step not in answers or any(isinstance(answer, Conflict) for answer in answers):
        await buyer.tell(failed(task, step))
        tally.failed.append(step)
        return
    held = asked
    if chance.random() < 0.3:
        try:
            held = await buyer.extend(step, asked + amount(chance, 2))
        except Conflict:  # The cancellation came late.
            tally.failed.append(step)
            return
        tally.extended += held > asked
    await asyncio.sleep(chance.random() / 100)
    if chance.random() < 0.25:
        end: Any = failed(task, step)
        tally.failed.append(step)
    else:
        cost = min(held, amount(chance, 1.5))
        external = min(held - cost, amount(chance, 1)) if chance.random() < 0.4 else Decimal(0)
        end = completed(task, step, cost, external_cost=external, billed=cost + external + 1)
        tally.completed.append(step)
    id_ = await buyer.tell(end)
    for _ in range(chance.choice([0, 0, 1, 2])):
        await buyer.tell(end, id_ if chance.random() < 0.5 else None)


async def test_many_steps_of_few_tasks_on_one_wallet(
    stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]"
) -> None:
    replicas = [build(payment_settings(stack, database_pool=12)) for _ in range(2)]
    chance, tally, watched = random.Random(7), Tally(), 0
    async with running(*replicas):
        buyer = await new_customer(replicas[0].database, by_admin(replicas[0]), js, sql, "15")
        tasks = [new_id() for _ in range(4)]

        async def work(own: random.Random) -> None:
            for _ in range(STEPS_EACH):
                await run_step(buyer, own, own.choice(tasks), tally)

        working = asyncio.gather(*(work(random.Random(chance.random())) for _ in range(WORKERS)))
        while not working.done():
            assert await broken_books(sql) == []
            watched += 1
            await asyncio.sleep(0.1)
        await working
        await buyer.handled(completed(tasks[0], "any", "0"))
        await buyer.handled(failed(tasks[0], "any"))

        assert await broken_books(sql) == []
        assert watched > 3
        wallet = await buyer.wallet()
        assert wallet.held == 0
        budgets = [await buyer.budget(task) for task in tasks]
        spent = sum((budget[1] for budget in budgets if budget), Decimal(0))
        assert wallet.posted == 15 - spent
        ended = dict(
            await sql.fetch("SELECT id, status FROM holds WHERE account = $1", buyer.account)
        )
        assert set(ended.values()) == {"captured", "released"}
        late = {step for step in tally.completed if ended[step] == "released"}
        assert len(late) <= len(tally.completed) / 4  # Only those cancelled while they asked.
        assert all(ended[step] == "released" for step in tally.failed)
        assert tally.completed  # The test tried all that it means to.
        assert tally.declined
        assert tally.extended


async def test_a_replica_that_is_killed_takes_no_money_with_it(
    stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]"
) -> None:
    env = {"NATS_URL": stack.nats_url, "DATABASE_URL": stack.database_url("payment")}
    env |= {"RECONCILE_S": "3600"}
    survivor = build(payment_settings(stack))
    # It asks before it works; who asks side by side without a connection makes one each.
    await survivor.broker.connect()
    async with process("payment_svc", DATABASE_POOL=4, **env) as victim:
        await eventually(victim.is_ready)
        buyer = await new_customer(survivor.database, by_admin(survivor), js, sql, "20")
        tasks = [new_id() for _ in range(5)]
        placing = [buyer.hold("0.05", task=task, budget="3") for task in tasks * 20]
        steps = list(zip(tasks * 20, await asyncio.gather(*placing), strict=True))
        events = [completed(task, step, "0.03", external_cost="0.01") for task, step in steps]

        async def tell(some: list[Any]) -> None:
            for event in some:
                await buyer.tell(event)

        half = len(events) // 2  # However late somebody looks: it cannot be done with all.
        telling = asyncio.create_task(tell(events[:half]))
        captured = "SELECT count(*) FROM holds WHERE status = 'captured' AND account = $1"

        async def in_the_middle() -> bool:
            return bool(await sql.fetchval(captured, buyer.account) >= len(steps) / 4)

        await eventually(in_the_middle)
        victim.kill()
    done_by_victim = await sql.fetchval(captured, buyer.account)
    await telling
    await tell(events[half:])
    assert done_by_victim < len(steps)
    assert await broken_books(sql) == []
    # What it had in hand comes again; here sooner than in production, as nobody wants to wait.
    soon = topology.consumer_config(PAYMENT_STEP_COMPLETED).evolve(ack_wait=2)
    async with running(survivor):
        try:
            await js.add_consumer("EVENTS", soon)
            await buyer.handled(events[0])
        finally:
            await topology.declare(js._nc)
        assert {await buyer.status(step) for _, step in steps} == {"captured"}
        assert await broken_books(sql) == []
        wallet = await buyer.wallet()
        assert wallet.posted == 20 - len(steps) * Decimal("0.04")
        assert wallet.held == 0
        # Also what it had not told yet is told, and nothing twice.

        async def told() -> bool:
            return not await sql.fetchval("SELECT count(*) FROM payment_outbox")

        await eventually(told)
        recorded = [await buyer.events(task, "payment.recorded") for task in tasks]
        said = [event.body["stepId"] for found in recorded for event in found]
        assert sorted(said) == sorted(step for _, step in steps)
