"""Negotiating with agents over HTTP: rounds, price lists, agents that misbehave, and repeats."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from agents import mock_highprice, mock_negotiator
from agents.settings import Settings as AgentSettings
from chassis.bus.envelopes import new_id
from contracts.errors import Conflict, NotFound
from contracts.negotiation import Negotiated
from tests.agents.serving import served
from tests.support.polling import eventually
from tests.support.scripted_agent import (
    Behaviour,
    accepts,
    answers,
    counters,
    hangs_up,
    is_busy,
    refuses,
    says,
    waits_for,
)
from tests.support.system import Said, System


def rounds(found: Negotiated) -> list[tuple[int, Decimal, bool]]:
    return [(offer.round, offer.offered, offer.accepted) for offer in found.offers]


async def said_about(system: System, found: Negotiated) -> Said:
    """The one event that a negotiation is told by."""

    async def told() -> list[Said]:
        said = system.events(found.task_id, "price.negotiated")
        return [one for one in said if one.body["negotiationId"] == found.negotiation_id]

    about = await eventually(told)
    assert len(about) == 1
    return about[0]


async def test_three_rounds_and_what_each_of_them_carries(system: System, task_id: str):
    account = await system.account()
    async with system.haggler(haggles=[refuses("Too little."), counters(0.95), accepts()]) as (
        agent_id,
        agent,
    ):
        found = await system.negotiate(
            account, agent_id, task_id=task_id, turn_id="turn-1", max_price="0.9"
        )
    assert found.agreed
    assert (found.price, found.list_price) == (Decimal("0.8"), Decimal(1))
    assert found.agent_name == f"Agent {agent_id}"
    assert found.message == f"Agent {agent_id} works for 0.8 BazaarBucks instead of 1 BazaarBucks."
    assert rounds(found) == [
        (1, Decimal("0.6"), False),
        (2, Decimal("0.7"), False),
        (3, Decimal("0.8"), True),
    ]
    assert [offer.counter for offer in found.offers] == [None, Decimal("0.95"), None]
    assert found.offers[0].message == "Too little."
    assert [call.payload for call in agent.offers] == [
        {"offered_price": 0.6, "round": 1},
        {"offered_price": 0.7, "round": 2},
        {"offered_price": 0.8, "round": 3},
    ]
    assert agent.offers[0].headers["traceparent"]
    assert len({call.key for call in agent.offers}) == 3
    said = await said_about(system, found)
    assert said.headers["ce-turnid"] == "turn-1"
    assert said.headers["ce-account"] == account
    known = found.model_dump(mode="json") | {"turnId": "turn-1"}
    known.pop("message")
    assert said.body == known


@pytest.mark.parametrize(
    ("haggles", "max_price", "price", "made"),
    [
        ([accepts()], "5", "0.6", 1),
        ([accepts()], "0.2", "0.2", 1),
        ([counters(0.75)], "5", "0.75", 1),
        ([counters(0.3333333)], "5", "0.333334", 1),
        ([counters(0.9), counters(0.72)], "0.8", "0.72", 2),
        ([says({"detail": "At least 0.65."}, 402), accepts()], "5", "0.7", 2),
        ([is_busy(), accepts()], "5", "0.6", 1),
        ([refuses()], "5", None, 3),
        ([counters(1)], "5", None, 3),
        ([counters(0)], "5", None, 3),
        ([counters(0.9)], "0.8", None, 3),
        ([says({"accepted": True})], "5", "0.6", 1),
        ([says({"accepted": True, "counter_offer": 0.9, "message": None})], "5", "0.6", 1),
    ],
    ids=[
        "accepted",
        "accepted within little",
        "a counter offer",
        "a counter offer with too many decimals",
        "a counter offer over the limit, then one within",
        "a plain no, then accepted",
        "busy, then accepted",
        "refused",
        "a counter offer of the list price",
        "a counter offer of nothing",
        "counter offers over the limit",
        "accepted in few words",
        "accepted with a counter offer",
    ],
)
async def test_how_it_ends(
    system: System,
    task_id: str,
    haggles: list[Behaviour],
    max_price: str,
    price: str | None,
    made: int,
):
    account = await system.account()
    async with system.haggler(haggles=haggles) as (agent_id, _):
        found = await system.negotiate(account, agent_id, task_id=task_id, max_price=max_price)
    assert found.price == (None if price is None else Decimal(price))
    assert found.agreed is (price is not None)
    assert len(found.offers) == made
    assert (await said_about(system, found)).body["agreed"] is found.agreed


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (hangs_up, "The agent cannot be reached."),
        (is_busy(), "The agent is too busy: Agent busy."),
        (says("no json"), "The agent answered with something that is no answer."),
        (says({"accepted": "perhaps"}), "is no answer: accepted: Input should be a valid boolean"),
        (says({"accepted": False, "counter_offer": -1}), "is no answer: counter_offer: "),
        (says({"detail": "Bug"}, 500), "The agent failed with status 500: Bug."),
        (says({"detail": "What?"}, 422), "The agent cannot work with this: What?"),
        (says(b" " * 300_000), "The agent answered with more than 262144 bytes."),
    ],
    ids=[
        "hangs up",
        "busy",
        "no JSON",
        "no yes or no",
        "a negative price",
        "fails",
        "takes no offers so",
        "too large",
    ],
)
async def test_an_agent_that_misbehaves_keeps_its_price(
    system: System, task_id: str, reply: Behaviour, words: str
):
    account = await system.account()
    async with system.haggler(haggles=[refuses(), reply]) as (agent_id, _):
        found = await system.negotiate(account, agent_id, task_id=task_id)
    assert not found.agreed
    assert len(found.offers) == 1
    assert words in found.message
    assert "1 BazaarBucks" in found.message


async def test_an_agent_that_does_not_negotiate_is_not_asked(system: System, task_id: str):
    account = await system.account()
    async with system.agent(answers()) as (agent_id, agent):
        found = await system.negotiate(account, agent_id, task_id=task_id)
    assert (found.agreed, found.price, found.offers) == (False, None, [])
    assert "does not negotiate" in found.message
    assert agent.offers == []
    assert not (await said_about(system, found)).body["agreed"]


async def test_there_is_nothing_to_offer_within_nothing(system: System, task_id: str):
    account = await system.account()
    async with system.haggler(haggles=[accepts()]) as (agent_id, agent):
        found = await system.negotiate(account, agent_id, task_id=task_id, max_price="0")
    assert not found.agreed
    assert agent.offers == []


@pytest.mark.parametrize(
    ("listed", "max_price", "price", "words"),
    [
        ({"base_price": 1, "negotiable": True, "min_price": 0.4}, "5", "0.4", "works for 0.4"),
        ({"base_price": 1, "min_price": 0.4, "reason": "So."}, "0.4", "0.4", "works for 0.4"),
        ({"base_price": 1, "min_price": 0.4}, "0.3", None, "works for no less than 0.4"),
        ({"base_price": 1, "min_price": 1}, "5", None, "takes no offers"),
        ({"base_price": 1, "min_price": 0}, "5", None, "takes no offers"),
        ({"base_price": 1, "negotiable": False, "min_price": 0.4}, "5", None, "takes no offers"),
        ({"base_price": 1}, "5", None, "takes no offers"),
    ],
    ids=str,
)
async def test_an_agent_with_a_price_list_is_paid_the_least_it_takes(
    system: System,
    task_id: str,
    listed: dict[str, Any],
    max_price: str,
    price: str | None,
    words: str,
):
    account = await system.account()
    async with system.haggler(price_list=says(listed)) as (agent_id, _):
        found = await system.negotiate(account, agent_id, task_id=task_id, max_price=max_price)
    assert found.price == (None if price is None else Decimal(price))
    assert words in found.message
    for offer in found.offers:
        assert offer.offered <= Decimal(max_price)


async def test_an_agent_that_says_it_negotiates_and_has_no_way_to(system: System, task_id: str):
    account = await system.account()
    async with system.haggler(info={"negotiable": True}) as (agent_id, _):
        found = await system.negotiate(account, agent_id, task_id=task_id)
    assert (found.agreed, found.offers) == (False, [])
    assert "takes no offers" in found.message


@pytest.mark.parametrize(
    ("agent", "price", "max_price", "agreed"),
    [
        (mock_negotiator, "0.60", "0.50", "0.4"),
        (mock_negotiator, "0.60", "0.39", None),
        (mock_negotiator, "0.78", "0.60", "0.534"),
        (mock_highprice, "0.85", "0.70", "0.5"),
        (mock_highprice, "0.85", "0.49", None),
    ],
)
async def test_our_own_agents(
    system: System, task_id: str, agent: Any, price: str, max_price: str, agreed: str | None
):
    account = await system.account()
    agent_id = f"agent-{new_id()[:12]}"
    with served(agent.build(AgentSettings())) as http:
        await system.list_agent(agent_id, str(http.base_url), price=price)
        await system.known_to_negotiate(agent_id)
        found = await system.negotiate(account, agent_id, task_id=task_id, max_price=max_price)
    assert found.price == (None if agreed is None else Decimal(agreed))
    assert found.list_price == Decimal(price)


async def test_the_same_negotiation_again_is_answered_the_same(system: System, task_id: str):
    account = await system.account()
    id_ = f"n-{task_id}"
    async with system.haggler(haggles=[counters(0.65)]) as (agent_id, agent):
        asked = {"negotiation_id": id_, "task_id": task_id, "max_price": "0.9"}
        first = await system.negotiate(account, agent_id, **asked)
        assert await system.negotiate(account, agent_id, **asked) == first
        for change in ({"max_price": "0.8"}, {"task_id": "other"}, {"turn_id": "other"}):
            with pytest.raises(Conflict):
                await system.negotiate(account, agent_id, **asked | change)
        assert len(agent.offers) == 1
        other = await system.account()
        await system.negotiate(other, agent_id, **asked)
        assert len(agent.offers) == 2, "another account's is another"
    said = await system.said(task_id, "price.negotiated", 2)
    assert [one.headers["ce-account"] for one in said] == [account, other]


async def test_two_who_ask_at_once_hear_the_same(system: System, task_id: str):
    account = await system.account()
    gate = asyncio.Event()
    script = [waits_for(gate, counters(0.9)), waits_for(gate, counters(0.8)), counters(0.65)]
    async with system.haggler(haggles=script) as (agent_id, agent):
        asked = {"negotiation_id": f"n-{task_id}", "task_id": task_id, "max_price": "0.7"}
        both = [asyncio.create_task(system.negotiate(account, agent_id, **asked)) for _ in range(2)]
        await agent.offered(2)
        gate.set()
        one, other = await asyncio.gather(*both)
    assert one == other
    assert [offer.round for offer in one.offers] == [1, 2]
    await said_about(system, one)


async def test_nobody_negotiates_with_an_unknown_agent(system: System):
    with pytest.raises(NotFound):
        await system.negotiate("demo", "nobody")
