"""Listings: shown as soon as they are accepted, and true of agents that come and go."""

import httpx

from tests.complaints.system import Json, Marketplace, Person
from tests.support.polling import eventually


async def listed(person: Person, id_: str) -> list[Json]:
    """An agent as both gateways list it; from who does not, nothing."""
    found = [await person.at(number).get("/api/agents?limit=500") for number in range(2)]
    told = [one for page in found if page.is_success for one in page.json()]
    return [one for one in told if one["id"] == id_]


async def test_a_listing_was_accepted_and_never_shown(market: Marketplace, alice: Person) -> None:
    """A new agent is in everybody's list at once, and was asked whether it is there."""
    async with market.agent(load=30) as (agent, _):

        async def shown() -> bool:  # A gateway hears of it beside whoever was answered.
            found = [(one["availability"], one["basePrice"]) for one in await listed(alice, agent)]
            return found == [(True, 0.1)] * 2

        await eventually(shown)
        assert (await alice.call(agent, 1)).status_code == httpx.codes.OK


async def test_a_listing_stayed_as_it_was_whatever_became_of_the_agent(
    market: Marketplace, alice: Person
) -> None:
    """Agents that were gone were offered for ever, and those that came back never again."""
    async with market.agent(load=10) as (agent, does):

        async def shown(what: str, value: object) -> None:
            async def so() -> bool:
                return [one[what] for one in await listed(alice, agent)] == [value] * 2

            await eventually(so)

        await shown("load", 1)
        does.load = 80
        await shown("load", 8)
        await does.stop()
        await shown("availability", False)
        gone = await alice.call(agent)
        assert gone.status_code == httpx.codes.BAD_GATEWAY
        await does.start()
        await shown("availability", True)
        assert (await alice.call(agent, 1)).status_code == httpx.codes.OK

    left = (await alice.wallet())["posted"]
    [paid] = await alice.get("/api/payments/bazaarbucks")
    assert (paid["agentId"], round(100 - paid["amount"], 6)) == (agent, left)
