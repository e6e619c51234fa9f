"""Twenty workers, tight budgets, lost replies, repeats, refunds, and a replica that is killed."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from nats.js import JetStreamContext

from chassis import topology
from chassis.bus.envelopes import new_id, origin
from contracts.base import Call
from contracts.disputes import DECIDE_DISPUTE, OPEN_DISPUTE, DecideDispute, OpenDispute
from contracts.errors import Conflict, Invalid, NotFound, PaymentRequired, TooSlow, Unavailable
from contracts.ledger import ENTER_PAYMENT, REFUND_PAYMENT
from contracts.payment import PLACE_HOLD
from contracts.selling import REQUEST_PAYOUT, RequestPayout
from contracts.topology import PAYMENT_STEP_COMPLETED, PAYMENT_STEP_FAILED
from payment_svc.app import build
from payment_svc.holds.refund import OVER
from tests.payment.books_helpers import check, entered, hold_of, payment_for, refund_of
from tests.payment.conftest import payment_settings
from tests.payment.helpers import Customer, by_admin, completed, failed, new_customer
from tests.payment.selling_desk import listed
from tests.support.polling import eventually
from tests.support.processes import ServiceProcess, process
from tests.support.stack import Stack, running

WORKERS = 20
BUDGETS = [Decimal(b) for b in ("4", "3", "2", "1", "0.5")]
FEE = Decimal("0.033")
AGENTS = ("translator", "poet")
SOON = {
    "payout_delay_s": 0.05,
    "refund_grace_s": 0.04,
    "payout_least": 0,
    "card_poll_s": 0.3,
    "card_lease_s": 2,
}
"""Sellers are paid long before payers have had their money back: then they owe it."""


@dataclass
class Run:
    """The customer's side: what it asks, what it lost, what came of it."""

    buyer: Customer
    sql: "asyncpg.Pool[Any]"
    tasks: dict[str, Decimal]
    steps_each: int
    seller: str = field(default_factory=new_id)
    came: Counter[str] = field(default_factory=Counter)

    async def ask(self, call: Call[Any, Any], request: Any, timeout_ms: int) -> Any:
        here = origin("test", "test", self.buyer.account)
        return await self.buyer.bus.ask(call, request, here, timeout_ms=timeout_ms)

    async def insist(self, chance: random.Random, call: Call[Any, Any], request: Any) -> Any:
        """Ask until there is an answer; some answers get lost, and are asked for again."""
        if chance.random() < 0.15:
            with contextlib.suppress(TooSlow, Unavailable, PaymentRequired, Invalid, Conflict):
                await self.ask(call, request, 1)
            self.came["lost"] += 1
        for _ in range(40):
            try:
                return await self.ask(call, request, 2_000)
            except (TooSlow, Unavailable):
                self.came["unanswered"] += 1
        raise AssertionError("nobody answers")

    async def step(self, chance: random.Random) -> None:
        """A step from its hold to its end, or a payment by hand, and perhaps a refund."""
        task = chance.choice(list(self.tasks))
        amount = Decimal(chance.randint(1, 300_000)) / 1_000_000
        step = new_id()
        try:
            if chance.random() < 0.1:
                pay = entered(
                    task, amount, payment_id=step, max_budget=self.tasks[task], agent_id="poet"
                )
                await self.insist(chance, ENTER_PAYMENT, pay)
                self.came["by hand"] += 1
            else:
                ask = hold_of(step, task, amount, self.tasks[task], "translator")
                await self.insist(chance, PLACE_HOLD, ask)
                await self.end(chance, task, step, amount)
        except PaymentRequired:
            self.came["declined"] += 1
            await self.buyer.tell(failed(task, step))  # A lost request may yet place the hold.
            return
        if chance.random() < 0.4:
            await self.refund(chance, step)
        if chance.random() < 0.2:
            await self.payout(chance)

    async def payout(self, chance: random.Random) -> None:
        """The agents' owner asks for what was earned so far; the answer may get lost."""
        asked = RequestPayout(payout_id=new_id())
        here = origin("test", "test", self.seller)
        for _ in range(40):
            with contextlib.suppress(TooSlow, Unavailable):
                wait_ms = 1 if chance.random() < 0.3 else 2_000
                try:
                    await self.buyer.bus.ask(REQUEST_PAYOUT, asked, here, timeout_ms=wait_ms)
                except Conflict:  # There is not enough.
                    return
                self.came["paid out"] += 1
                return

    async def end(self, chance: random.Random, task: str, step: str, held: Decimal) -> None:
        cost = (held * chance.randint(0, 100) / 100).quantize(Decimal("0.000001"))
        cost = min(cost, held)
        external = held - cost if chance.random() < 0.2 else Decimal(0)
        event: Any = completed(task, step, cost, external_cost=external)
        if chance.random() < 0.2:
            event = failed(task, step)
        id_ = await self.buyer.tell(event)
        for _ in range(chance.choice([0, 0, 0, 1, 2])):
            await self.buyer.tell(event, id_ if chance.random() < 0.5 else None)
        if event.type == "step.completed" and chance.random() < 0.1:
            await self.buyer.tell(failed(task, step))  # Voided: before it was paid, or after.
            self.came["voided"] += 1

    async def refund(self, chance: random.Random, step: str) -> None:
        """Give back what was paid by now, in parts; two may well try at once."""
        payment = await payment_for(self.sql, step)
        if payment is None:
            return
        amount = None if chance.random() < 0.5 else "0.01"
        asked = [refund_of(payment, amount), refund_of(payment, amount)]
        asked += [asked[0]]
        answers = await asyncio.gather(
            *(self.insist(chance, REFUND_PAYMENT, one) for one in asked), return_exceptions=True
        )
        allowed = (Conflict, Invalid, NotFound)
        assert all(not isinstance(a, BaseException) or isinstance(a, allowed) for a in answers)
        self.came["refunded"] += sum(not isinstance(a, BaseException) for a in answers)
        if any(isinstance(a, Conflict) and a.message == OVER for a in answers):
            await self.dispute(chance, payment)

    async def dispute(self, chance: random.Random, payment: str) -> None:
        """It is too late to be refunded at once: the seller is asked, and accepts."""
        opened = OpenDispute(dispute_id=new_id(), payment_id=payment, note="no")
        with contextlib.suppress(Conflict, Invalid, NotFound):
            await self.insist(chance, OPEN_DISPUTE, opened)
            here = origin("test", "test", self.seller)
            accepted = DecideDispute(dispute_id=opened.dispute_id, accept=True)
            for _ in range(40):
                with contextlib.suppress(TooSlow, Unavailable):
                    await self.buyer.bus.ask(DECIDE_DISPUTE, accepted, here, timeout_ms=2_000)
                    self.came["refunded"] += 1
                    return

    async def refund_some(self) -> None:
        """Give back some of what was paid when all had ended: until then it may all be waiting."""
        paid = "SELECT step_id FROM bazaarbucks_payments WHERE account = $1 AND type = $2 LIMIT 5"
        for row in await self.sql.fetch(paid, self.buyer.account, "agent_payment"):
            await self.refund(random.Random(1), row["step_id"])

    async def work(self, chance: random.Random) -> None:
        for _ in range(self.steps_each):
            await self.step(chance)
            self.came["steps"] += 1


@contextlib.asynccontextmanager
async def quick_to_come_again(js: JetStreamContext) -> AsyncIterator[None]:
    """What a killed replica had in hand comes again soon, as no test wants to wait for it."""
    for durable in (PAYMENT_STEP_COMPLETED, PAYMENT_STEP_FAILED):
        await js.add_consumer("EVENTS", topology.consumer_config(durable).evolve(ack_wait=2))
    try:
        yield
    finally:
        await topology.declare(js._nc)


@contextlib.asynccontextmanager
async def victim(stack: Stack) -> AsyncIterator[ServiceProcess]:
    env = {"NATS_URL": stack.nats_url, "DATABASE_URL": stack.database_url("payment")}
    env |= {"RECONCILE_S": "3600"} | {name.upper(): str(value) for name, value in SOON.items()}
    async with process("payment_svc", PLATFORM_FEE_RATE=FEE, **env) as replica:
        await eventually(replica.is_ready)
        yield replica


async def clean(run: Run, sql: "asyncpg.Pool[Any]", grant: Decimal) -> None:
    """Nothing is wrong, nothing is held, no task is over its budget."""
    buyer = run.buyer
    await buyer.handled(completed("any", "any", "0"))
    await buyer.handled(failed("any", "any"))
    await run.refund_some()
    open_holds = "SELECT count(*) FROM holds WHERE status = 'held' AND account = $1"
    assert await sql.fetchval(open_holds, buyer.account) == 0
    assert await check(buyer.bus) == []
    wallet, spent = await buyer.wallet(), Decimal(0)
    for task, most in run.tasks.items():
        held, captured = await buyer.budget(task) or (Decimal(0), Decimal(0))
        assert held == 0
        assert 0 <= captured <= most
        spent += captured
    assert (wallet.posted, wallet.held) == (grant - spent, Decimal(0))
    assert run.came["steps"] == WORKERS * run.steps_each
    for tried in ("declined", "refunded", "by hand", "voided", "lost", "paid out"):
        assert run.came[tried], run.came
    await paid_out(run, sql)


async def paid_out(run: Run, sql: "asyncpg.Pool[Any]") -> None:
    """The seller has what was earned, less what was given back and what was paid out."""
    waits = "SELECT count(*) FROM payouts WHERE owner = $1 AND status = 'pending'"

    async def done() -> bool:
        return int(await sql.fetchval(waits, run.seller)) == 0

    await eventually(done)
    earned = await sql.fetchval(
        "SELECT sum(amount - returned) FROM earnings WHERE owner = $1 AND settled_at IS NOT NULL",
        run.seller,
    )
    out = await sql.fetchval("SELECT sum(amount) FROM payouts WHERE owner = $1", run.seller)
    has = await sql.fetchval(
        "SELECT posted FROM ledger_accounts WHERE id = $1", f"seller:{run.seller}"
    )
    assert has == earned - out


@pytest.mark.parametrize(
    ("killed", "steps_each"), [(False, 25), (True, 25)], ids=["500 steps", "one of two is killed"]
)
async def test_tight_budgets_lost_replies_and_refunds(
    stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]", killed: bool, steps_each: int
) -> None:
    config = payment_settings(stack, platform_fee_rate=FEE, database_pool=8, **SOON)
    survivor, other = build(config), build(config)
    grant = Decimal(9)
    async with contextlib.AsyncExitStack() as started:
        await started.enter_async_context(running(survivor))
        buyer = await new_customer(survivor.database, by_admin(survivor), js, sql, grant)
        run = Run(buyer, sql, {new_id(): budget for budget in BUDGETS}, steps_each)
        for agent in AGENTS:
            await buyer.told(listed(agent, run.seller))
        if killed:
            doomed = await started.enter_async_context(victim(stack))
            await started.enter_async_context(quick_to_come_again(js))
        else:
            await started.enter_async_context(running(other))
        chance = random.Random(7)
        working = asyncio.gather(
            *(run.work(random.Random(chance.random())) for _ in range(WORKERS))
        )
        watched = 0
        while not working.done():
            assert await check(buyer.bus, full=bool(watched % 2)) == []
            watched += 1
            if killed and run.came["steps"] > WORKERS * steps_each / 3:
                doomed.kill()
                killed = False
            await asyncio.sleep(0.3)
        await working
        assert watched > 3
        assert not killed  # It was, in the middle.
        await clean(run, sql, grant)
