"""The MCP door: what is bought through it, and that the books say the same as over HTTP."""

import asyncio
import json
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import TextResourceContents

from chassis.bus.envelopes import new_id
from gateway.doors.mcp import server
from tests.complaints.system import Marketplace, Person
from tests.doors.mcp_clients import MODES, called, client_of, refused, words_of
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, says, waits_for

PAYLOAD = {"text": "hello"}


@pytest.mark.parametrize("mode", MODES)
async def test_an_agent_is_found_asked_for_its_price_called_and_paid(
    market: Marketplace, alice: Person, mode: str
) -> None:
    skill = f"mcp-{new_id()[:8]}"
    greets = answers("hola", cost="0.1")
    async with market.agent(greets, price="0.1", skills=[skill]) as (agent, does):
        async with client_of(alice, 0, mode) as client:
            found = await called(client, "search_agents", skill=skill, limit=1)
            assert [one["id"] for one in found["agents"]] == [agent]
            quote = await called(client, "quote", agentId=agent)
            assert (quote["agentId"], quote["price"]) == (agent, 0.1)
            work = {"payload": PAYLOAD, "quoteId": quote["quoteId"]}
            done = await called(client, "invoke_agent", **work)
            assert (done["result"], done["cost"]) == ("hola", 0.1)
        async with client_of(alice, 1, mode) as client:
            stands = await called(client, "get_task", taskId=done["taskId"])
            assert stands["task"]["totalCost"] == 0.1
            assert [step["id"] for step in stands["steps"]] == [done["stepId"]]
            assert (await called(client, "wallet"))["available"] == 99.9
            await alice.wallet()  # Until it is settled.
            receipt = await called(client, "get_receipt", taskId=done["taskId"])
            assert receipt["total"] == 0.1
            listing = await client.read_resource(f"agentbazaar://agents/{agent}")
            [content] = listing.contents
            assert isinstance(content, TextResourceContents)
            assert json.loads(content.text)["skills"] == [skill]
    assert [call.payload for call in does.calls] == [PAYLOAD]
    assert (await alice.wallet())["posted"] == 99.9


async def test_hubchat_is_asked_in_words(alice: Person) -> None:
    async with client_of(alice) as client:
        said = await called(client, "ask_hubchat", content="Who are you?")
    assert said["done"]
    assert said["message"]["role"] == "assistant"


async def test_all_listings_are_resources_page_by_page(market: Marketplace, alice: Person) -> None:
    async with market.agent() as (agent, _), client_of(alice) as client:
        page = await client.list_resources()
        uris = [str(one.uri) for one in page.resources]
        while page.next_cursor:
            page = await client.list_resources(cursor=page.next_cursor)
            uris += [str(one.uri) for one in page.resources]
        templates = (await client.list_resource_templates()).resource_templates
    assert f"agentbazaar://agents/{agent}" in uris
    assert [one.uri_template for one in templates] == ["agentbazaar://agents/{id}"]


@pytest.mark.parametrize("mode", MODES)
async def test_what_fails_is_said_in_words_and_costs_nothing(
    market: Marketplace, alice: Person, mode: str
) -> None:
    broken = says({"detail": "out of order"}, 500)
    async with market.agent(broken) as (agent, _), client_of(alice, 0, mode) as client:
        text, problem = await refused(client, "invoke_agent", agentId=agent, payload=PAYLOAD)
        assert (problem["status"], problem["error"]) == (502, text)
        text, problem = await refused(client, "invoke_agent", agentId="nobody", payload=PAYLOAD)
        assert (problem["status"], text) == (404, "Agent not found")
        text, problem = await refused(client, "quote", agentId=agent, colour="red")
        assert (problem["status"], text) == (422, "colour: There is no such field.")
        text, _ = await refused(client, "search_agents", sort="by name")
        assert text.startswith("sort: ")
        text, problem = await refused(client, "get_task", taskId="a/b")
        assert text.startswith("taskId: ")
        with pytest.raises(MCPError, match="Unknown tool: nope"):
            await client.call_tool("nope", {})
        with pytest.raises(MCPError, match="There is nothing with this id"):
            await client.read_resource("agentbazaar://agents/../wallet")
    assert (await alice.wallet())["available"] == 100


@pytest.mark.parametrize("mode", MODES)
async def test_a_budget_is_reached(market: Marketplace, mode: str) -> None:
    poor = await market.person("0.25")
    agents = market.agent(answers(cost="0.1"), price="0.1")
    async with agents as (agent, does), client_of(poor, 0, mode) as client:
        for _ in range(2):
            await called(client, "invoke_agent", agentId=agent, payload=PAYLOAD)
        text, problem = await refused(client, "invoke_agent", agentId=agent, payload=PAYLOAD)
    assert "0.1 BazaarBucks are needed, and 0.05 are there." in text
    assert (problem["required"], problem["available"]) == (0.1, 0.05)
    assert len(does.calls) == 2
    assert (await poor.wallet())["posted"] == 0.05


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_anothers_is_not_there(
    market: Marketplace, alice: Person, bob: Person, mode: str
) -> None:
    async with (
        market.agent() as (agent, _),
        client_of(alice, 0, mode) as hers,
        client_of(bob, 0, mode) as his,
    ):
        task = (await called(hers, "invoke_agent", agentId=agent, payload=PAYLOAD))["taskId"]
        for tool in ("get_task", "get_receipt", "cancel_task"):
            text, problem = await refused(his, tool, taskId=task)
            assert (problem["status"], text) == (404, "Task not found")
        more = {"agentId": agent, "payload": PAYLOAD, "taskId": task}
        assert (await refused(his, "invoke_agent", **more))[1]["status"] == 404
    assert (await bob.wallet())["available"] == 100


@pytest.mark.parametrize("mode", MODES)
async def test_who_hung_up_has_the_result_by_the_key_and_pays_once(
    market: Marketplace, alice: Person, mode: str
) -> None:
    gate = asyncio.Event()
    work = {"payload": PAYLOAD, "idempotencyKey": new_id()}
    async with market.agent(waits_for(gate, answers("late", cost="0.1")), price="0.1") as (
        id_,
        does,
    ):
        async with client_of(alice, 0, mode) as client:
            with pytest.raises(MCPError):
                await client.call_tool("invoke_agent", {"agentId": id_, **work}, 0.5)
        await does.called()
        gate.set()
        async with client_of(alice, 1, mode) as client:

            async def again() -> Any:
                result = await client.call_tool("invoke_agent", {"agentId": id_, **work})
                return None if result.is_error else result.structured_content

            assert (await eventually(again))["result"] == "late"
    assert len(does.calls) == 1
    assert (await alice.wallet())["posted"] == 99.9


@pytest.mark.parametrize("mode", MODES)
async def test_a_long_call_shows_that_it_lives_and_a_cancelled_one_pays_nothing(
    market: Marketplace, alice: Person, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ALIVE_S", 0.05)
    told: list[str | None] = []
    lives = asyncio.Event()

    async def progress(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001  (the library's names)
        told.append(message)
        lives.set()

    async with (
        market.agent(waits_for(asyncio.Event(), answers())) as (agent, does),
        client_of(alice, 0, mode) as client,
        client_of(alice, 1, mode) as other,
    ):
        work = {"agentId": agent, "payload": PAYLOAD}
        calling = asyncio.create_task(client.call_tool("invoke_agent", work, None, progress))
        await does.called()
        await lives.wait()
        [task] = [one["id"] for one in await alice.get("/api/tasks")]
        assert (await called(other, "cancel_task", taskId=task))["cancelled"]
        result = await calling
    assert result.is_error
    assert "cancelled" in words_of(result)
    assert str(told[0]).startswith("At work for ")
    assert (await alice.wallet())["available"] == 100


async def test_a_credential_may_no_more_here_than_over_http(
    market: Marketplace, alice: Person
) -> None:
    made = await alice.first.post(
        "/api/sessions", json={"limit": 0.1, "expiresAt": "2099-01-01T00:00:00Z"}
    )
    client = await market.client(market.urls[0], made.json()["token"])
    session = Person(alice.account, client, client)
    agents = market.agent(answers(cost="0.1"), price="0.1")
    async with agents as (agent, _), client_of(session) as spends:
        work = {"agentId": agent, "payload": PAYLOAD}
        await called(spends, "invoke_agent", **work)
        assert (await refused(spends, "wallet"))[1]["status"] == 403
        assert (await refused(spends, "invoke_agent", **work))[1]["status"] == 402
        assert (await refused(spends, "ask_hubchat", content="hello"))[1]["status"] == 403
