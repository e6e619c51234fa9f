"""A payer wants money back too late for a refund: both sides are heard, seller or admin decide."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from contracts import disputes as calls
from contracts.errors import Conflict, Invalid, NotFound
from payment_svc.app import build
from payment_svc.disputes import requests
from payment_svc.holds import refund
from tests.payment.books_helpers import Desk, payment_for_step, refund_of
from tests.payment.conftest import payment_settings
from tests.payment.selling_desk import Shop
from tests.support.stack import Stack


@pytest.fixture(scope="module")
async def desk(stack: Stack) -> AsyncIterator[Desk]:
    config = payment_settings(stack, payout_delay_s=0.001, refund_grace_s=0)
    service = build(config)
    service.database.departures = None
    yield Desk(service, config)
    await service.database.engine.dispose()


@pytest.fixture
async def shop(desk: Desk) -> AsyncIterator[Shop]:
    yield await Shop(desk).open()
    assert await desk.broken() == []


async def act(shop: Shop, account: str, function: Any, request: Any, **more: Any) -> Any:
    here = shop.desk.here(account)
    async with shop.desk.db.transaction(here) as tx:
        return await function(request, tx, here, **more)


async def opened(shop: Shop, step: str, grace_s: float = 0, **more: Any) -> calls.DisputeView:
    payment = await payment_for_step(shop.desk, step)
    fields = {"dispute_id": new_id(), "payment_id": payment, "note": "It is wrong.", **more}
    request = calls.OpenDispute.model_validate(fields)
    reply = await act(shop, shop.payer, requests.open_dispute, request, grace_s=grace_s)
    found: calls.DisputeView = reply.dispute
    return found


async def decide(shop: Shop, dispute: str, account: str, **more: Any) -> calls.DisputeView:
    request = calls.DecideDispute.model_validate({"dispute_id": dispute, "accept": True, **more})
    found: calls.DisputeView = (await act(shop, account, requests.decide_dispute, request)).dispute
    return found


async def paid_back(shop: Shop, step: str) -> Decimal:
    (row,) = await shop.desk.rows("SELECT refunded FROM payment.holds WHERE id = $1", step)
    return Decimal(row.refunded)


async def test_within_the_grace_a_refund_is_at_once_and_beyond_it_is_refused(shop: Shop) -> None:
    step = await shop.work("10")
    payment = await payment_for_step(shop.desk, step)
    with pytest.raises(Conflict, match="consent"):
        await act(shop, shop.payer, refund.refund_payment, refund_of(payment), grace_s=0)
    with pytest.raises(Conflict, match="Nobody has to be asked"):
        await opened(shop, step, grace_s=60)
    await act(shop, shop.payer, refund.refund_payment, refund_of(payment), grace_s=60)
    assert await paid_back(shop, step) == 10


async def test_what_is_disputed_is_not_paid_out_and_its_seller_accepts(shop: Shop) -> None:
    step = await shop.work("10")
    dispute = await opened(shop, step, amount="4")
    assert (dispute.status, dispute.seller) == ("disputed", shop.seller)
    again = await opened(shop, step, amount="4", dispute_id=dispute.id)
    assert again == dispute
    with pytest.raises(Conflict, match="disputed before"):
        await opened(shop, step)
    await shop.settle()
    assert (await shop.has()).waiting == 10
    note = calls.NoteDispute(dispute_id=dispute.id, note="Well.")
    said = (await act(shop, shop.seller, requests.note_dispute, note)).dispute
    assert (said.payer_note, said.seller_note) == ("It is wrong.", "Well.")
    with pytest.raises(NotFound):
        await decide(shop, dispute.id, new_id())
    with pytest.raises(Conflict, match="An admin decides"):
        await decide(shop, dispute.id, shop.payer)
    with pytest.raises(Conflict, match="An admin decides"):
        await decide(shop, dispute.id, shop.seller, accept=False)
    assert (await decide(shop, dispute.id, shop.seller)).status == "accepted"
    assert await paid_back(shop, step) == 4
    with pytest.raises(Conflict, match="decided"):
        await decide(shop, dispute.id, shop.seller)
    await shop.settle()
    assert (await shop.has()).available == 6


async def test_an_admin_decides_either_way_also_after_the_payout(shop: Shop) -> None:
    refused, accepted = await shop.work("10"), await shop.work("5")
    await shop.settle()
    await shop.ask()
    await shop.pay()
    first, second = await opened(shop, refused), await opened(shop, accepted)
    assert (await decide(shop, first.id, "root", accept=False, as_admin=True)).status == "refused"
    assert (await decide(shop, second.id, "root", as_admin=True)).status == "accepted"
    assert (await paid_back(shop, refused), await paid_back(shop, accepted)) == (
        Decimal(0),
        Decimal(5),
    )
    assert (await shop.has()).owed == 5
    listed = calls.ListDisputes()
    for account in (shop.payer, shop.seller):
        found = (await act(shop, account, requests.list_disputes, listed)).disputes
        assert [one.id for one in found] == [second.id, first.id]
    assert not (await act(shop, new_id(), requests.list_disputes, listed)).disputes


async def test_no_more_is_disputed_than_was_paid(shop: Shop) -> None:
    step = await shop.work("10")
    with pytest.raises(Invalid, match="Only 10"):
        await opened(shop, step, amount="11")
    await shop.refund(step)
    with pytest.raises(Conflict, match="refunded before"):
        await opened(shop, step)
