"""Quotes that somebody asks for: what they promise, to whom, until when; and calls by them."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Conflict, Invalid, NotFound, Refusal
from contracts.quotes import ASK_QUOTE, QuoteView, agent_of
from task_svc.sealing import Sealed, seal, unseal
from tests.support.bound import bound
from tests.support.scripted_agent import answers
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, new_stack, running
from tests.support.system import System, listening
from tests.task.test_binding_prices import BUYS, BY_SIZE, bills

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = b"of the test alone"
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
PROMISED = Sealed(
    w=Decimal("0.1"), p=Decimal(0), b=Decimal("0.1"), d=Decimal("0.1"), k=1, x=1_800_000_000
)


@given(IDS, IDS)
def test_a_sealed_quote_is_read_as_it_was_made(account: str, agent_id: str):
    quote_id = seal(SECRET, account, agent_id, PROMISED)
    assert unseal(SECRET, account, agent_id, quote_id, NOW) == PROMISED
    assert agent_of(quote_id) == agent_id
    assert len(quote_id) <= 709


@given(st.integers(0, 400), st.sampled_from("AQgw_-.09"))
def test_a_changed_quote_is_none(place: int, sign: str):
    good = seal(SECRET, "ann", "poet", PROMISED)
    place %= len(good)
    changed = good[:place] + sign + good[place + 1 :]
    if changed != good:
        with pytest.raises(NotFound):
            unseal(SECRET, "ann", "poet", changed, NOW)


@pytest.mark.parametrize("odd", ["", "x", "a.b.c", "é.b.c", "poet..", "." * 9, "a" * 5_000, "\n"])
def test_what_is_no_quote_is_refused(odd: str):
    with pytest.raises(NotFound):
        unseal(SECRET, "ann", "poet", odd, NOW)
    assert agent_of(odd) is None


def test_a_quote_is_of_its_account_agent_and_time():
    good = seal(SECRET, "ann", "poet", PROMISED)
    with pytest.raises(NotFound):
        unseal(SECRET, "bob", "poet", good, NOW)
    with pytest.raises(NotFound):
        unseal(b"of another marketplace", "ann", "poet", good, NOW)
    with pytest.raises(Conflict, match="another agent"):
        unseal(SECRET, "ann", "painter", good, NOW)
    over = datetime.fromtimestamp(PROMISED.x, UTC)
    with pytest.raises(Conflict, match="expired at 2027-01-15T08:00:00Z"):
        unseal(SECRET, "ann", "poet", good, over)
    assert unseal(SECRET, "ann", "poet", good, over - timedelta(seconds=1)) == PROMISED


@pytest.fixture(scope="module")
async def market(stack: Stack) -> AsyncIterator[System]:
    """As `system`, with a second replica of the task service: either may answer."""
    payment = payment_service(stack)
    two = [task_service(stack), task_service(stack)]
    async with running(registry_service(stack), payment, *two), listening(stack, payment) as system:
        yield system


async def ask(system: System, account: str, agent_id: str, **more: Any) -> QuoteView:
    return await system.ask(ASK_QUOTE, account, agent_id=agent_id, **more)


async def test_a_call_by_a_quote_costs_that_at_most_at_every_replica(market: System):
    account = await market.account()
    async with market.agent(answers(cost=5), price="0.10") as (agent_id, agent):
        quote = await ask(market, account, agent_id)
        assert (quote.price, quote.work) == (Decimal("0.10"), Decimal("0.10"))
        assert quote.agent_name == f"Agent {agent_id}"
        # The price goes up meanwhile, and the promise stays.
        await market.list_agent(agent_id, agent.url, price="3")
        for _ in range(4):
            reply = await market.invoke(account, agent_id, quote_id=quote.quote_id)
            assert (reply.cost, reply.quoted) == (Decimal("0.10"), Decimal("0.10"))
            assert await market.paid(account, reply.task_id) == Decimal("0.10")
        less = await market.invoke(account, agent_id, quote_id=quote.quote_id, max_price="0.04")
        assert less.cost == Decimal("0.04")


async def test_what_an_agent_may_ask_by_its_listing_is_no_overbilling(market: System):
    account = await market.account()
    async with market.agent(answers(cost=0.2), price="0.10") as (agent_id, agent):
        quote = await ask(market, account, agent_id)
        first = await market.invoke(account, agent_id, quote_id=quote.quote_id)
        await market.list_agent(agent_id, agent.url, price="0.2")
        await market.event(agent_id, "agent.updated")
        done = (await market.event(first.task_id, "step.completed")).body
        assert done["overbilled"]
        then = await market.invoke(account, agent_id, quote_id=quote.quote_id)
        done = (await market.event(then.task_id, "step.completed")).body
    assert then.cost == Decimal("0.10")
    assert not done["overbilled"]


async def test_quotes_outlive_the_services_that_made_them():
    async with new_stack() as stack:
        payment = payment_service(stack)
        async with running(registry_service(stack), payment), listening(stack, payment) as system:
            account = await system.account()
            async with system.agent(answers(cost=5)) as (agent_id, _):
                async with running(task_service(stack)):
                    quote = await ask(system, account, agent_id)
                late = task_service(stack)
                async with running(late):
                    reply = await system.invoke(account, agent_id, quote_id=quote.quote_id)
                    assert reply.cost == quote.price
                    seals = bound(late, "seals")
                    seals.now = lambda: quote.expires_at
                    refused = await system.refusal(account, agent_id, quote_id=quote.quote_id)
    assert isinstance(refused, Conflict)
    assert "expired" in refused.message


async def test_a_quote_that_is_not_the_callers_is_refused(market: System):
    ann, bob = await market.account(), await market.account()
    async with market.agent() as (agent_id, agent), market.agent() as (other, _):
        quote = await ask(market, ann, agent_id)
        forged = base64.urlsafe_b64encode(b'{"w":"0","p":"0","b":"1","d":"1","k":1,"x":4000000000}')
        odd = f"{agent_id}.{forged.decode().rstrip('=')}.{quote.quote_id.rpartition('.')[2]}"
        refusals: list[Refusal] = [
            await market.refusal(bob, agent_id, quote_id=quote.quote_id),
            await market.refusal(ann, agent_id, quote_id=odd),
        ]
        assert [type(one) for one in refusals] == [NotFound, NotFound]
        assert isinstance(await market.refusal(ann, other, quote_id=quote.quote_id), Conflict)
        assert agent.calls == []
    none = await market.rows("SELECT 1 FROM task.tasks WHERE account = ANY($1)", [ann, bob])
    assert none == [], "nothing was stored"


async def test_a_quote_is_for_a_payload_of_that_size(market: System):
    account = await market.account()
    async with market.agent(answers(cost=9, external_cost=9), price="0.01") as (agent_id, _):
        await bills(market, agent_id, BY_SIZE | BUYS)
        with pytest.raises(Invalid, match="bills by size: say the payload"):
            await ask(market, account, agent_id)
        small = {"text": "hello", "num_results": 2}
        quote = await ask(market, account, agent_id, payload=small)
        assert (quote.work, quote.purchases) == (Decimal("0.0125"), Decimal("0.02"))
        for large, why in (
            ({"text": "hello!", "num_results": 2}, "6 characters, and the quote is for 5"),
            ({"text": "hello", "num_results": 3}, "num_results is 3, and the quote is for 2"),
            ({"text": "hello"}, "num_results is 5"),
        ):
            refused = await market.refusal(
                account, agent_id, payload=large, quote_id=quote.quote_id
            )
            assert isinstance(refused, Invalid)
            assert why in refused.message
        reply = await market.invoke(account, agent_id, payload=small, quote_id=quote.quote_id)
        assert reply.cost + reply.external_cost == quote.price
        await bills(market, agent_id, BY_SIZE | {"ceiling": "0.05"})
        await market.event(agent_id, "agent.updated", count=2)
        any_size = await ask(market, account, agent_id)
        assert any_size.price == Decimal("0.05")
        text = {"text": "x" * 5_000}
        reply = await market.invoke(account, agent_id, payload=text, quote_id=any_size.quote_id)
        assert reply.cost == Decimal("0.05")


async def test_an_unknown_agent_has_no_quote(market: System):
    with pytest.raises(NotFound, match="Agent not found"):
        await ask(market, "demo", "nobody")
