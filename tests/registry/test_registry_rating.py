"""Ratings: what buyers think, each once, without the owner's own; and stars for tasks."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.envelopes import new_id, origin
from chassis.db.database import Database
from chassis.db.groups import GroupCommit
from contracts.envelope import Envelope
from contracts.errors import Conflict
from contracts.ledger import PaymentRefunded
from contracts.registry import AgentView, RateTask
from contracts.topology import REGISTRY_PAYMENT_REFUNDED, REGISTRY_STEP_COMPLETED
from registry_svc import rating as rules
from registry_svc import store
from registry_svc.handlers import rating, steps
from tests.registry.helpers import completed, failed, registered
from tests.registry.little_agent import LittleAgent

ID = "poet"


@pytest.fixture
async def tallies(db: Database) -> steps.Tallies:
    async with LittleAgent() as agent:
        await registered(db, agent, ID)
    async with db.transaction() as tx:
        await store.change(tx.conn, ID, {"owner": "seller"})
    return GroupCommit(db, steps.count)


async def shown(db: Database) -> AgentView:
    async with db.transaction() as tx:
        found = await store.find(tx.conn, ID)
    assert found is not None
    return found.view()


def of(account: str) -> Envelope:
    return origin("task", "step.completed", account)


async def done(
    tallies: steps.Tallies, account: str, here: Envelope | None = None, **more: Any
) -> None:
    event = completed(ID).model_copy(update=more)
    await steps.on_step_completed(event, tallies, REGISTRY_STEP_COMPLETED, here or of(account))


async def test_each_buyer_counts_once_and_the_owner_never(
    db: Database, tallies: steps.Tallies
) -> None:
    await asyncio.gather(*(done(tallies, "ann") for _ in range(20)))
    one = await shown(db)
    assert one.unique_buyers == 1
    await asyncio.gather(*(done(tallies, "seller") for _ in range(50)))
    assert (await shown(db)).rating == one.rating
    await asyncio.gather(*(done(tallies, name) for name in ("bea", "cid", "dan") for _ in range(2)))
    more = await shown(db)
    assert (more.unique_buyers, more.jobs_completed) == (4, 76)
    assert more.rating > one.rating > Decimal("4.50")


async def test_a_repeated_message_counts_once(db: Database, tallies: steps.Tallies) -> None:
    here = of("ann")
    for _ in range(3):
        await done(tallies, "ann", here)
    once = rules.done(paid=True, overbilled=False).counted()
    assert (await shown(db)).rating == rules.rating(*once)


async def test_calls_for_nothing_make_no_buyers(db: Database, tallies: steps.Tallies) -> None:
    free: Any = {"cost": Decimal(0), "billed": Decimal(0)}
    await asyncio.gather(*(done(tallies, new_id(), **free) for _ in range(40)))
    now = await shown(db)
    assert now.unique_buyers == 0
    assert now.rating < Decimal("4.60")  # All of them are one opinion.


async def test_bills_faults_and_refunds_count_against_it(
    db: Database, tallies: steps.Tallies
) -> None:
    await done(tallies, "ann")
    before = (await shown(db)).rating
    await done(tallies, "ann", billed=Decimal("0.95"), overbilled=True)
    over = (await shown(db)).rating
    await steps.on_step_failed(
        failed(ID, "agent_too_slow"), tallies, REGISTRY_STEP_COMPLETED, of("ann")
    )
    late = (await shown(db)).rating
    refund = PaymentRefunded(
        task_id="t1", payment_id="p", refund_id="r", step_id="s", agent_id=ID, amount=Decimal(1)
    )
    await steps.on_payment_refunded(refund, tallies, REGISTRY_PAYMENT_REFUNDED, of("ann"))
    assert before > over > late > (await shown(db)).rating


async def test_a_bill_that_its_payer_has_cut_is_no_overbilling(
    db: Database, tallies: steps.Tallies
) -> None:
    await done(tallies, "ann", cost=Decimal("0.01"), billed=Decimal("0.95"))
    honest = rules.done(paid=True, overbilled=False).counted()
    assert (await shown(db)).rating == rules.rating(*honest)


async def test_a_task_is_rated_once(db: Database, tallies: steps.Tallies) -> None:
    await done(tallies, "ann")
    before = (await shown(db)).rating

    async def rate(account: str, task: str, stars: int) -> None:
        here = of(account)
        request = RateTask(task_id=task, stars=stars, agent_ids=[ID, "gone"])
        async with db.transaction(here) as tx:
            await rating.rate_task(request, tx, here)

    await asyncio.gather(*(rate("ann", "t1", 1) for _ in range(4)))
    after = (await shown(db)).rating
    assert after < before
    with pytest.raises(Conflict, match="rated before"):
        await rate("ann", "t1", 5)
    with pytest.raises(Conflict, match="their own"):
        await rate("seller", "t2", 5)
    assert (await shown(db)).rating == after
    assert (await shown(db)).unique_buyers == 1
