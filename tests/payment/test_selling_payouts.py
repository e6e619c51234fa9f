"""What agents earn is their owners', is settled when no payer may have it back, and paid once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from chassis.bus.envelopes import new_id
from contracts.errors import Conflict
from contracts.ledger import ListEntries
from payment_svc.app import build
from payment_svc.ledger import books
from payment_svc.payouts import owners, paying
from payment_svc.payouts.domain import payable
from tests.payment.books_helpers import Desk, money
from tests.payment.conftest import payment_settings
from tests.payment.selling_desk import Shop
from tests.support.stack import Stack


@pytest.fixture(scope="module")
async def desk(stack: Stack) -> AsyncIterator[Desk]:
    """A service that keeps a tenth, and settles at once what is asked to be settled."""
    config = payment_settings(
        stack, platform_fee_rate="0.1", payout_delay_s=0.001, refund_grace_s=0
    )
    service = build(config)
    service.database.departures = None
    yield Desk(service, config)
    await service.database.engine.dispose()


@pytest.fixture
async def shop(desk: Desk) -> AsyncIterator[Shop]:
    yield await Shop(desk).open()
    assert await desk.broken() == []
    assert (await desk.checked()).ok


async def test_from_a_paid_step_to_its_payout(shop: Shop) -> None:
    await shop.work("10")
    assert (await shop.has()).waiting == 9
    with pytest.raises(Conflict, match="at least 1"):
        await shop.ask()
    await shop.settle()
    assert ((await shop.has()).waiting, (await shop.has()).available) == money(0, 9)
    payout = await shop.ask()
    assert payout.amount == 9
    assert (payout.status, payout.rail) == ("pending", "simulated")
    assert ((await shop.has()).available, (await shop.has()).pending) == money(0, 9)
    await shop.pay()
    has = await shop.has()
    assert (has.available, has.pending, has.paid, has.owed) == money(0, 0, 9, 0)
    (shown,) = (await shop.payouts()).payouts
    assert (shown.id, shown.status) == (payout.id, "paid")
    assert shown.ended_at is not None


async def test_what_was_given_back_is_not_paid_out(shop: Shop) -> None:
    """In part before it is settled, wholly, and after it was settled."""
    part, whole, later = [await shop.work("10") for _ in range(3)]
    await shop.refund(part, "3")
    await shop.refund(whole)
    await shop.settle()
    assert (await shop.has()).available == Decimal("15.3")
    await shop.refund(later)
    assert (await shop.has()).available == Decimal("6.3")
    assert (await shop.ask()).amount == Decimal("6.3")
    await shop.pay()


async def test_what_is_given_back_after_its_payout_is_owed_and_comes_off_the_next(
    shop: Shop,
) -> None:
    first = await shop.work("10")
    await shop.settle()
    await shop.ask()
    await shop.pay()
    await shop.refund(first)
    has = await shop.has()
    assert (has.owed, has.available) == money(9, 0)
    with pytest.raises(Conflict):
        await shop.ask("1")
    await shop.work("30")
    await shop.settle()
    has = await shop.has()
    assert (has.owed, has.available) == money(0, 18)
    assert (await shop.ask()).amount == 18


async def test_the_same_id_is_the_same_payout(shop: Shop) -> None:
    await shop.work("50")
    await shop.settle()
    id_ = new_id()
    asked = await asyncio.gather(*(shop.ask("20", id_) for _ in range(6)))
    assert len({one.id for one in asked}) == 1
    with pytest.raises(Conflict, match="another amount"):
        await shop.ask("21", id_)
    assert (await shop.has()).available == 25


async def test_many_ask_at_once_and_no_more_is_paid_than_was_earned(shop: Shop) -> None:
    await shop.work("50")
    await shop.settle()
    asked = await asyncio.gather(*(shop.ask("10") for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in asked) == 4
    await asyncio.gather(*(shop.pay() for _ in range(4)))
    has = await shop.has()
    assert (has.paid, has.available) == money(40, 5)


async def test_many_settle_at_once_and_each_step_is_settled_once(shop: Shop) -> None:
    for _ in range(12):
        await shop.work("1")
    await asyncio.gather(*(shop.settle() for _ in range(5)))
    assert (await shop.has()).available == Decimal("10.8")


async def test_who_owns_the_agent_when_it_is_paid_has_the_pay(shop: Shop) -> None:
    """Whatever order the words come in; of an operator's own agent nobody has it."""
    await shop.work("10")
    heir, now = new_id(), datetime.now(UTC)
    await shop.list(shop.agent, heir, now + timedelta(seconds=1))
    await shop.list(shop.agent, shop.seller, now)
    await shop.work("20")
    await shop.list(shop.agent, None, now + timedelta(seconds=2))
    await shop.work("40")
    await shop.settle()
    assert (await shop.has()).available == 9
    assert (await shop.has(heir)).available == 18


async def test_a_payment_that_overtook_the_word_of_its_owner_is_the_owners(shop: Shop) -> None:
    late, old = new_id(), new_id()
    await shop.work("10", agent=late)
    await shop.work("10", agent=old)
    await shop.list(late, shop.seller)
    # What was paid to an id long before somebody listed an agent under it is nobody's.
    await shop.list(old, shop.seller, datetime.now(UTC) + timedelta(minutes=5))
    await owners.attribute(shop.desk.db)
    await shop.settle()
    assert (await shop.has()).available == 9


async def test_earnings_by_day_and_agent(shop: Shop) -> None:
    step = await shop.work("10")
    await shop.work("1")
    await shop.fault()
    await shop.refund(step, "5")
    other = new_id()
    await shop.list(other, shop.seller)
    await shop.work("2", agent=other)
    lines = {one.agent_id: one for one in (await shop.earnings()).lines}
    mine = lines[shop.agent]
    assert (mine.jobs, mine.faults) == (2, 1)
    assert mine.charged == 11
    assert (mine.fees, mine.refunded, mine.earned) == money("0.6", 5, "5.4")
    assert lines[other].jobs == 1
    assert lines[other].earned == Decimal("1.8")
    assert [one.agent_id for one in (await shop.earnings(agent_id=other)).lines] == [other]
    today = datetime.now(UTC).date()
    assert not (await shop.earnings(since=today + timedelta(days=2))).lines
    assert not (await shop.earnings(until=today - timedelta(days=2))).lines
    first = await shop.earnings(limit=1)
    second = await shop.earnings(limit=1, cursor=first.next_cursor)
    assert {one.agent_id for one in (*first.lines, *second.lines)} == {shop.agent, other}
    assert second.next_cursor is None


async def test_payouts_are_listed_in_pages(shop: Shop) -> None:
    await shop.work("50")
    await shop.settle()
    made = [(await shop.ask("2")).id for _ in range(5)]
    seen: list[str] = []
    page = await shop.payouts(limit=2)
    seen += [one.id for one in page.payouts]
    while page.next_cursor:
        page = await shop.payouts(limit=2, cursor=page.next_cursor)
        seen += [one.id for one in page.payouts]
    assert seen == made[::-1]


async def test_the_owner_sees_the_agents_statement_and_nobody_else(shop: Shop) -> None:
    step = await shop.work("10")
    await shop.settle()
    await shop.refund(step, "1")
    name, paid = f"agent:{shop.agent}", ("capture", Decimal(9))

    async def statement(account: str, of: str) -> list[tuple[str, Decimal]]:
        here = shop.desk.here(account)
        async with shop.desk.db.transaction(here) as tx:
            found = await books.list_entries(ListEntries(ledger_account=of), tx, here)
        return [(one.kind, one.amount) for one in found.rows]

    assert await statement(shop.seller, name) == [("settled", Decimal(-9)), paid]
    assert await statement(shop.payer, name) == [paid]
    assert await statement(new_id(), name) == []
    assert await statement(shop.seller, "seller") == [
        ("refund", Decimal("-0.9")),
        ("settled", Decimal(9)),
    ]
    assert await statement(shop.payer, f"seller:{shop.seller}") == [("refund", Decimal("-0.9"))]
    heir = new_id()
    await shop.list(shop.agent, heir)
    assert await statement(heir, name) == []


async def test_payouts_by_schedule(shop: Shop) -> None:
    config = shop.desk.settings.model_copy(update={"payout_every_s": 3_600.0})
    await shop.work("50")
    await shop.settle()
    await asyncio.gather(*(paying.schedule(shop.desk.db, config) for _ in range(3)))
    await paying.schedule(shop.desk.db, config)
    (payout,) = (await shop.payouts()).payouts
    assert payout.amount == 45


def test_earnings_are_settled_later_than_a_payer_may_have_them_back(stack: Stack) -> None:
    with pytest.raises(ValidationError, match="PAYOUT_DELAY_S has to be longer"):
        payment_settings(stack, payout_delay_s=60, refund_grace_s=60)


def test_a_payout_is_of_whole_cents() -> None:
    assert payable(Decimal("1.239999")) == Decimal("1.23")
    assert payable(Decimal(-3)) == 0
    assert payable(Decimal(10_000_000)) == Decimal("999999.99")
