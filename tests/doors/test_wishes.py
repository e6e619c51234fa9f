"""A wish at each door that HubChat cannot carry out: it ends in words, and the books are exact."""

from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from tests.complaints.system import Marketplace, Person
from tests.doors import a2a_clients, mcp_clients, openai_client
from tests.doors.test_agui import asks, told
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, says

Bill = dict[str, Any] | None
DOORS = ("A2A 1.0", "A2A 0.3", "AG-UI", "MCP auto", "MCP legacy", "OpenAI")


async def said_at(door: str, person: Person, wish: str, budget: float) -> tuple[str, Bill]:
    """HubChat's answer, and the bill, as one door tells them."""
    protocol, _, version = door.partition(" ")
    match protocol:
        case "A2A":
            client = await a2a_clients.client_of(person, version=version)
            asked = a2a_clients.wish(wish)
            asked.message.metadata.update({"maxBudget": budget})
            task = await a2a_clients.sent(client, asked)
            return a2a_clients.text_of(task), a2a_clients.bill_of(task)
        case "AG-UI":
            run = await told(person, asks(wish, forwarded_props={"maxBudget": budget}))
            return run.text, run.state["bill"]
        case "MCP":
            asked_for = {"content": wish, "maxBudget": budget, "idempotencyKey": new_id()}
            async with mcp_clients.client_of(person, mode=version) as spoken:

                async def said() -> Any:
                    answer = await mcp_clients.called(spoken, "ask_hubchat", **asked_for)
                    return answer["message"] if answer["done"] else None

                message = await eventually(said)
            return message["content"], message["costBreakdown"]
        case _:
            completion: Any = await openai_client.client_of(person).chat.completions.create(
                model="hubchat",
                messages=[{"role": "user", "content": wish}],
                metadata={"max_budget": str(budget)},
            )
            return completion.choices[0].message.content, completion.model_extra["bazaar"]["bill"]


@pytest.mark.parametrize("door", DOORS)
async def test_what_an_agent_fails_at_or_the_budget_is_too_small_for_costs_the_model_alone(
    market: Marketplace, alice: Person, door: str
) -> None:
    fails, dear = f"fails{alice.account[-6:]}", f"dear{alice.account[-6:]}"
    async with (
        market.agent(says({"detail": "out of order"}, 500), skills=[fails]) as (_, broken),
        market.agent(answers(cost="0.9"), price="0.9", skills=[dear]) as (_, costly),
    ):
        first, failed = await said_at(door, alice, f"Please {fails}: the sea", 5)
        second, refused = await said_at(door, alice, f"Please {dear}: the sea", 0.5)
    assert "It did not work out" in first
    assert "but only 0.5" in second
    assert broken.calls
    assert not costly.calls
    paid = sum((bill or {"total": 0})["total"] for bill in (failed, refused))
    assert 0 < paid < 0.1
    assert (await alice.wallet())["posted"] == pytest.approx(100 - paid)
