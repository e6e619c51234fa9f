"""Credentials that may spend so much: held under the wallet's locks, whatever happens at once."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.bus.envelopes import new_id
from contracts import spending
from contracts.envelope import Envelope
from contracts.errors import Conflict, NotFound, PaymentRequired
from contracts.ledger import GetReceipt, GetWallet
from contracts.payment import PlaceHold
from payment_svc.app import build
from payment_svc.holds import by_hand
from payment_svc.holds import place as holds
from payment_svc.ledger import books
from payment_svc.ledger.wallets import open_wallet
from payment_svc.spending import closing, handlers
from payment_svc.spending.limits import Limits, why_not
from tests.payment.books_helpers import Desk, entered, hold_of, refund_of
from tests.payment.conftest import payment_settings
from tests.payment.helpers import completed, failed
from tests.support.stack import Stack

NOW = datetime(2026, 1, 2, tzinfo=UTC)
AMOUNTS = st.decimals(0, 100, places=6, allow_nan=False)
FREE = Limits(
    most=None,
    per_task=None,
    per_day=None,
    agents=None,
    expires_at=None,
    closed=False,
    spent=Decimal(0),
    in_task=Decimal(0),
    today=Decimal(0),
)
HASH = "0" * 64


@given(
    AMOUNTS | st.none(),
    AMOUNTS | st.none(),
    AMOUNTS | st.none(),
    AMOUNTS,
    AMOUNTS,
    AMOUNTS,
    AMOUNTS,
)
def test_what_is_let_through_is_within_every_limit(
    most: Decimal | None,
    per_task: Decimal | None,
    per_day: Decimal | None,
    spent: Decimal,
    in_task: Decimal,
    today: Decimal,
    amount: Decimal,
):
    """`in_task` and `today` are with what is asked for: its hold is stored already."""
    limits = Limits(
        most, per_task, per_day, None, None, False, spent, in_task + amount, today + amount
    )
    within = all(
        of is None or total <= of
        for of, total in (
            (most, spent + amount),
            (per_task, in_task + amount),
            (per_day, today + amount),
        )
    )
    assert (why_not(limits, "poet", amount, NOW) is None) == (within or not amount)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"closed": True}, "was revoked"),
        ({"expires_at": NOW}, "has expired"),
        ({"agents": ["painter"]}, "may not pay the agent poet"),
        ({"most": Decimal(5), "spent": Decimal("4.5")}, "may spend 5 BazaarBucks; 0.5 are left"),
        ({"per_task": Decimal(2), "in_task": Decimal(3)}, "2 BazaarBucks for a task; 0 are left"),
        ({"per_day": Decimal(2), "today": Decimal("2.5")}, "2 BazaarBucks a day; 0.5 are left"),
    ],
)
def test_why_something_may_not_be_spent_is_said(changes: dict[str, Any], says: str):
    assert says in (why_not(replace(FREE, **changes), "poet", Decimal(1), NOW) or "")


@pytest.fixture(scope="module")
async def desk(stack: Stack) -> AsyncIterator[Desk]:
    settings = payment_settings(stack)
    service = build(settings)
    service.database.departures = None
    yield Desk(service, settings)
    await service.database.engine.dispose()


class Purse:
    """A session of an account with a wallet, and what is done with it."""

    def __init__(self, desk: Desk, account: str, spender: str) -> None:
        self.desk = desk
        self.account = account
        self.spender = spender

    @property
    def here(self) -> Envelope:
        return Desk.here(self.account).model_copy(update={"spender": self.spender})

    async def hold(self, amount: Any, task: str = "t", agent: str = "poet", **more: Any) -> str:
        """Set money aside with the session; the step's id."""
        step = new_id()
        request = hold_of(step, f"{task}-{self.spender}", Decimal(amount), Decimal(1_000), agent)
        asked = PlaceHold.model_validate(request.model_dump() | more)
        await holds.place_hold(asked, self.desk.db, self.here)
        return step

    async def complete(self, step: str, cost: Any, external: Any = 0, task: str = "t") -> None:
        event = completed(f"{task}-{self.spender}", step, cost, external_cost=external)
        # The event says nothing of the session: the hold knows whose it is.
        await self.desk.complete(self.account, event)

    async def fail(self, step: str, task: str = "t") -> None:
        await self.desk.fail(self.account, failed(f"{task}-{self.spender}", step))

    async def left(self) -> spending.SpenderView:
        async with self.desk.db.transaction() as tx:
            asked = spending.GetSpender(spender_id=self.spender)
            return await handlers.get_spender(asked, tx, self.here)

    async def close(self) -> None:
        async with self.desk.db.transaction() as tx:
            asked = spending.CloseSpender(spender_id=self.spender)
            await handlers.close_spender(asked, tx, self.here)


async def purse(desk: Desk, account: str | None = None, **limits: Any) -> Purse:
    if account is None:
        account = f"acc-{new_id()[:12]}"
        await open_wallet(desk.db, account, Decimal(100))
    found = Purse(desk, account, new_id()[:16])
    order = {"spender_id": found.spender, "kind": "session", "hash": HASH, "scopes": ["write"]}
    asked = spending.OpenSpender.model_validate(order | limits)
    async with desk.db.transaction() as tx:
        await handlers.open_spender(asked, tx, found.here)
    return found


async def test_a_session_spends_its_limit_and_no_more(desk: Desk):
    mine = await purse(desk, limit="5")
    step = await mine.hold(3)
    with pytest.raises(PaymentRequired, match=r"5 BazaarBucks; 2 are left, and 2\.5 are needed"):
        await mine.hold("2.5")
    await mine.complete(step, "1", "0.5")
    now = await mine.left()
    assert (now.held, now.spent, now.remaining) == (Decimal(0), Decimal("1.5"), Decimal("3.5"))
    failed_ = await mine.hold("3.5")
    await mine.fail(failed_)
    assert (await mine.left()).remaining == Decimal("3.5")
    await mine.complete(await mine.hold("3.5"), "3.5")
    assert (await mine.left()).remaining == 0
    with pytest.raises(PaymentRequired, match="0 are left"):
        await mine.hold("0.000001")
    await mine.hold(0)  # What costs nothing is no spending.
    assert await desk.broken() == []
    # The account itself goes on.
    other = hold_of(new_id(), "else", Decimal(1), Decimal(5), "poet")
    await desk.hold(mine.account, other)


async def test_a_refund_makes_room_again_where_it_was_spent_from(desk: Desk):
    mine = await purse(desk, limit="5")
    step = await mine.hold(5)
    await mine.complete(step, "4", "1")
    (paid,) = await desk.rows(
        "SELECT id FROM payment.bazaarbucks_payments WHERE step_id=$1 AND type='agent_payment'",
        step,
    )
    await desk.refund(mine.account, refund_of(paid.id, "1.5"))
    assert (await mine.left()).remaining == Decimal("1.5")
    await desk.refund(mine.account, refund_of(paid.id))
    assert (await mine.left()).remaining == 5
    assert await desk.broken() == []


async def test_limits_of_a_task_a_day_and_to_some_agents(desk: Desk):
    mine = await purse(desk, per_task="2", per_day="3", agents=["poet", "painter"])
    await mine.complete(await mine.hold("1.5", "a"), "1.5", task="a")
    with pytest.raises(PaymentRequired, match="for a task"):
        await mine.hold("0.6", "a")
    await mine.complete(await mine.hold("1", "b"), "1", task="b")
    with pytest.raises(PaymentRequired, match="a day"):
        await mine.hold("0.6", "c")
    with pytest.raises(PaymentRequired, match="may not pay the agent thief"):
        await mine.hold("0.1", "c", agent="thief")
    async with desk.db.engine.begin() as conn:  # As if all of that had been yesterday.
        await conn.exec_driver_sql(
            "UPDATE payment.holds SET created_at = created_at - interval '1 day'"
            " WHERE spender = $1",
            (mine.spender,),
        )
    await mine.hold("2", "c")
    assert (await mine.left()).remaining is None
    assert await desk.broken() == []


async def test_a_hold_for_another_try_frees_the_one_before(desk: Desk):
    mine = await purse(desk, limit="1")
    first = await mine.hold("1")
    again = await mine.hold("0.9", replaces=first)
    assert (await mine.left()).held == Decimal("0.9")
    # Another credential's try in its place: each keeps its own count.
    other = await purse(desk, mine.account, limit="1")
    asked = hold_of(new_id(), f"t-{mine.spender}", Decimal("0.5"), Decimal(1_000), "poet")
    asked = asked.model_copy(update={"replaces": again})
    await holds.place_hold(asked, desk.db, other.here)
    assert ((await mine.left()).held, (await other.left()).held) == (Decimal(0), Decimal("0.5"))
    assert await desk.broken() == []


async def test_a_repeat_of_a_hold_counts_once(desk: Desk):
    mine = await purse(desk, limit="1")
    asked = hold_of(new_id(), "repeated", Decimal(1), Decimal(5), "poet")
    for _ in range(3):
        assert (await holds.place_hold(asked, desk.db, mine.here)).held == 1
    assert (await mine.left()).held == 1


async def test_a_declined_hold_counts_nowhere(desk: Desk):
    mine = await purse(desk, limit="500")
    with pytest.raises(PaymentRequired, match="wallet does not cover"):
        await mine.hold(200)
    assert (await mine.left()).remaining == 500
    assert await desk.broken() == []


async def test_a_revoked_session_spends_nothing_more_and_pays_what_runs(desk: Desk):
    mine = await purse(desk, limit="5")
    step = await mine.hold(1)
    await mine.close()
    with pytest.raises(PaymentRequired, match="revoked"):
        await mine.hold(1)
    await mine.complete(step, "1")
    assert (await mine.left()).spent == 1
    late = await purse(desk, limit="5", expires_at=datetime.now(UTC) + timedelta(milliseconds=1))
    await asyncio.sleep(0.01)
    with pytest.raises(PaymentRequired, match="expired"):
        await late.hold(1)


async def test_a_credential_of_another_account_spends_nothing(desk: Desk):
    mine, other = await purse(desk, limit="5"), await purse(desk, limit="5")
    thief = Purse(desk, other.account, mine.spender)
    with pytest.raises(PaymentRequired, match="not known"):
        await thief.hold(1)
    with pytest.raises(NotFound):
        await thief.left()
    with pytest.raises(NotFound):
        await thief.close()
    unknown = Purse(desk, other.account, "nobody")
    with pytest.raises(PaymentRequired, match="not known"):
        await unknown.hold(1)


async def test_payments_by_hand_count_too(desk: Desk):
    mine = await purse(desk, limit="2")
    for amount, declined in (("1.5", False), ("1", True), ("0.5", False)):
        asked = entered(f"by-hand-{mine.spender}", amount)
        try:
            async with desk.db.transaction(mine.here) as tx:
                await by_hand.enter_payment(asked, tx, mine.here, desk.settings)
        except PaymentRequired:
            assert declined
        else:
            assert not declined
    assert (await mine.left()).remaining == 0
    assert await desk.broken() == []


async def test_a_receipt_says_what_is_left(desk: Desk):
    mine = await purse(desk, limit="5")
    await mine.complete(await mine.hold(2), "2")
    for here in (mine.here, Desk.here(mine.account)):
        async with desk.db.transaction() as tx:
            asked = GetReceipt(task_id=f"t-{mine.spender}")
            receipt = await books.get_receipt(asked, tx, here)
        assert (receipt.spender, receipt.remaining) == (mine.spender, Decimal(3))


async def test_an_id_is_one_credentials(desk: Desk):
    mine = await purse(desk, limit="5")
    order = {"spender_id": mine.spender, "kind": "session", "scopes": ["write"], "hash": "1" * 64}
    asked = spending.OpenSpender.model_validate(order)
    with pytest.raises(Conflict):
        async with desk.db.transaction() as tx:
            await handlers.open_spender(asked, tx, mine.here)


async def test_never_overspent_whatever_happens_at_once(desk: Desk):
    """Two sessions and the account's own hand at one wallet: no limit is passed at any moment."""
    account = f"acc-{new_id()[:12]}"
    await open_wallet(desk.db, account, Decimal(20))
    purses = [
        await purse(desk, account, limit="3", per_task="1.2"),
        await purse(desk, account, limit="2", per_day="1.5"),
    ]
    spent = 0

    async def work(seed: int) -> None:
        nonlocal spent
        chance = random.Random(seed)
        mine = chance.choice(purses)
        for _ in range(12):
            task = chance.choice("abc")
            amount = Decimal(chance.randint(1, 400_000)) / 1_000_000
            try:
                step = await mine.hold(amount, task)
            except PaymentRequired:
                continue
            spent += 1
            if chance.random() < 0.3:
                await mine.fail(step, task)
            else:
                cost = (amount * chance.randint(0, 100) / 100).quantize(Decimal("0.000001"))
                await mine.complete(step, min(cost, amount), task=task)

    async def watch() -> None:
        while True:
            for one in purses:
                now = await one.left()
                assert now.limit is not None
                assert now.held + now.spent <= now.limit
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(work(seed) for seed in range(16)))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert watching.cancelled(), watching.exception()
    assert spent > len(purses)
    assert await desk.broken() == []
    for one in purses:
        now = await one.left()
        assert now.held == 0
        assert now.spent <= (now.per_day or now.limit or 0)


async def test_an_account_that_is_closed_spends_nothing_more_and_keeps_what_it_has(desk: Desk):
    mine = await purse(desk, limit="50")
    step = await mine.hold(3)

    async def closed(reason: str) -> spending.ClosedAccount:
        async with desk.db.transaction() as tx:
            asked = spending.CloseAccount(reason=reason)
            return await closing.close_account(asked, tx, Desk.here(mine.account))

    first, again = await closed("It resells."), await closed("Another reason.")
    assert (first.reason, first.revoked) == ("It resells.", 1)
    assert again == first.model_copy(update={"revoked": 0})
    plain = Purse(desk, mine.account, mine.spender)
    with pytest.raises(PaymentRequired, match="revoked"):
        await plain.hold(1)
    request = hold_of(new_id(), f"t-{new_id()}", Decimal(1), Decimal(1_000), "poet")
    for amount in (Decimal(1), Decimal(0)):
        asked = request.model_copy(update={"amount": amount})
        with pytest.raises(PaymentRequired, match="This account is closed"):
            await holds.place_hold(asked, desk.db, Desk.here(mine.account))
    with pytest.raises(Conflict, match="closed"):
        await purse(desk, mine.account, limit="1")
    # What was under way is paid as ever, and the rest is still there.
    await mine.complete(step, 2)
    async with desk.db.transaction() as tx:
        wallet = await books.get_wallet(GetWallet(), tx, Desk.here(mine.account))
    assert (wallet.available, wallet.held) == (Decimal(98), Decimal(0))


async def test_who_never_had_a_wallet_can_be_closed_before_one_is_opened(desk: Desk):
    account = f"acc-{new_id()[:12]}"
    async with desk.db.transaction() as tx:
        asked = spending.CloseAccount(reason="Known elsewhere.")
        await closing.close_account(asked, tx, Desk.here(account))
    assert not await open_wallet(desk.db, account, Decimal(100))
