"""Listings over HTTP: whose they are, what may become of them, who sees them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from faststream.nats import NatsBroker

from chassis.bus.calls import Bus
from chassis.bus.connecting import connect_options
from chassis.bus.envelopes import origin
from contracts.listings import CLOSE_LISTINGS, CloseListings
from contracts.users import ADMIN
from tests.gateway.credentials import bearer, make_key
from tests.gateway.reading import fresh
from tests.registry.helpers import registry_settings
from tests.registry.little_agent import INFO, LittleAgent
from tests.registry.market import Market, ids, listing, market
from tests.support.gateways import assert_problem
from tests.support.polling import eventually
from tests.support.stack import Stack
from tests.support.streams import jetstream, stored


@pytest.fixture(scope="module")
async def place(own_stack: Stack) -> AsyncIterator[Market]:
    async with market(own_stack) as opened:
        yield opened


async def told(stack: Stack, id_: str, count: int) -> list[str]:
    """What was told of an agent, but for what probes say, once it is so much."""
    async with jetstream(stack.nats_url) as js:

        async def so_much() -> list[str]:
            events = await stored(js, "EVENTS", f"bazaar.evt.agent.*.{id_}")
            kinds = [event.subject.split(".")[3] for event in events]
            found = [kind for kind in kinds if kind not in ("availability_changed", "repriced")]
            return found if len(found) >= count else []

        return await eventually(so_much)


async def test_a_listing_lives_from_draft_to_retired(place: Market, own_stack: Stack) -> None:
    body = listing(state="draft")
    id_ = body["id"]
    path = f"/api/agents/{id_}"
    made = await place.alice.post("/api/agents", json=body)
    assert made.status_code == 200, made.text
    assert (made.json()["owner"], made.json()["state"]) == ("alice", "draft")

    assert id_ not in await ids(place.alice)
    assert id_ in await ids(place.alice, owner="me")
    assert id_ not in await ids(place.bob, owner="alice")
    assert (await place.alice.get(path)).json()["state"] == "draft"
    assert_problem(await place.bob.get(path), 404)
    assert (await place.admin.get(path)).status_code == 200

    active = await place.alice.patch(path, json={"state": "active", "basePrice": 0.09})
    assert active.json()["basePrice"] == 0.09
    assert id_ in await ids(place.bob)

    assert_problem(await place.alice.patch(path, json={"state": "suspended"}), 422, "reason")
    suspended = await place.alice.post(f"{path}/suspend", json={"reason": "It moves."})
    assert suspended.json()["stateReason"] == "It moves."
    assert id_ not in await ids(place.bob)
    assert (await place.bob.get(path)).json()["state"] == "suspended"
    assert (await place.alice.post(f"{path}/resume")).json()["state"] == "active"
    assert (await place.alice.post(f"{path}/resume")).json()["stateReason"] is None

    gone = await place.alice.delete(path)
    assert (gone.status_code, gone.json()["state"]) == (200, "retired")
    assert (await place.alice.delete(path)).json()["state"] == "retired"
    assert id_ not in await ids(place.bob)
    assert (await place.bob.get(path)).json()["name"] == body["name"]
    for change in ({"state": "active"}, {"basePrice": 1}):
        assert_problem(await place.alice.patch(path, json=change), 409)
    assert await told(own_stack, id_, 4) == ["registered", "suspended", "updated", "retired"]


async def test_a_tolerance_is_an_administrators_to_give(place: Market) -> None:
    """A stranger may declare a formula, and not that his bills are above it."""
    formula = {"mode": "by_size", "perThousand": "0.01"}
    lax = {**formula, "tolerance": "1.5"}
    body = listing()
    refused = await place.alice.post("/api/agents", json={**body, "billing": lax})
    assert_problem(refused, 422, "billing.tolerance")
    body["billing"] = {**formula, "tolerance": 1}
    made = await place.alice.post("/api/agents", json=body)
    assert made.json()["billing"]["mode"] == "by_size", made.text
    path = f"/api/agents/{body['id']}"
    assert_problem(await place.alice.patch(path, json={"billing": lax}), 422, "billing.tolerance")
    assert (await place.alice.get(path)).json()["billing"]["tolerance"] == 1
    given = await place.admin.patch(path, json={"billing": lax})
    assert given.json()["billing"]["tolerance"] == 1.5
    theirs = await place.admin.post("/api/agents", json=listing(billing=lax))
    assert theirs.json()["billing"]["tolerance"] == 1.5

    async with LittleAgent(info=INFO | {"name": fresh("Lax"), "billing": lax}) as agent:
        [found] = (await place.alice.post("/api/agents/import", json={"url": agent.url})).json()
    assert (found["billing"]["mode"], found["billing"]["tolerance"]) == ("by_size", None)


async def test_only_its_owner_and_an_admin_change_a_listing(place: Market) -> None:
    body = listing()
    path = f"/api/agents/{body['id']}"
    await place.alice.post("/api/agents", json=body)
    for answer in (
        await place.bob.patch(path, json={"basePrice": 0}),
        await place.bob.delete(path),
        await place.bob.post(f"{path}/suspend", json={"reason": "mine"}),
        await place.bob.post(f"{path}/resume"),
    ):
        assert_problem(answer, 404)
    assert (await place.bob.get(path)).json()["basePrice"] == 0.07

    barred = await place.admin.post(f"{path}/suspend", json={"reason": "It lies."})
    assert barred.json()["state"] == "suspended"
    assert_problem(await place.alice.post(f"{path}/resume"), 409, "It lies.")
    assert_problem(await place.alice.patch(path, json={"state": "active"}), 409)
    assert (await place.admin.post(f"{path}/resume")).json()["state"] == "active"


async def test_an_admin_bars_what_its_owner_suspended(place: Market) -> None:
    body = listing()
    path = f"/api/agents/{body['id']}"
    await place.alice.post("/api/agents", json=body)
    await place.alice.post(f"{path}/suspend", json={"reason": "It moves."})
    await place.admin.post(f"{path}/suspend", json={"reason": "It lies."})
    assert_problem(await place.alice.post(f"{path}/resume"), 409, "It lies.")


@pytest.mark.parametrize("gone", [False, True], ids=["there", "retired"])
async def test_an_id_and_a_name_are_never_taken_over(place: Market, gone: bool) -> None:
    body = listing(name=f"Wörd-Smith {fresh('n')} Agent")
    await place.alice.post("/api/agents", json=body)
    if gone:
        await place.alice.delete(f"/api/agents/{body['id']}")
    assert_problem(await place.bob.post("/api/agents", json=listing(id=body["id"])), 409)
    why = "was retired" if gone else "listed already"
    assert_problem(await place.alice.post("/api/agents", json=body), 409, why)
    alike = body["name"].replace("ö", "O").replace("-", " ").removesuffix(" Agent")
    seen_alike = body["name"].replace("o", "\u043e").replace("i", "\u0456").replace("A", "\u0391")
    names = (body["name"], alike, body["id"], f"The {body['id'].upper()} bot", seen_alike)
    for name in names:
        assert_problem(await place.bob.post("/api/agents", json=listing(name=name)), 409)
    as_id = alike.replace(" ", "_")
    assert_problem(await place.bob.post("/api/agents", json=listing(id=as_id)), 409)
    mine = listing()
    await place.bob.post("/api/agents", json=mine)
    renamed = await place.bob.patch(f"/api/agents/{mine['id']}", json={"name": alike})
    assert_problem(renamed, 409)


async def test_the_first_agents_are_the_operators(place: Market) -> None:
    assert_problem(await place.alice.patch("/api/agents/translator", json={"basePrice": 0}), 404)
    for name in ("Translator", "translator agent", "Mock Busy"):
        assert_problem(await place.alice.post("/api/agents", json=listing(name=name)), 409)
    for id_ in ("choose", "import", "language-model"):
        assert_problem(await place.alice.post("/api/agents", json=listing(id=id_)), 422)


async def test_a_request_sent_again_lists_once(place: Market) -> None:
    body = listing()
    key = {"Idempotency-Key": fresh("key")}
    for _ in range(2):
        answer = await place.alice.post("/api/agents", json=body, headers=key)
        assert answer.json()["id"] == body["id"]


async def test_what_is_left_out_the_agent_says(place: Market) -> None:
    name = f"Basho {fresh('n')}"
    async with LittleAgent(info={**INFO, "name": name}) as agent:
        made = await place.alice.post("/api/agents", json={"endpointUrl": agent.url})
        assert made.status_code == 200, made.text
        said = made.json()
        assert said["id"] == name.lower().replace(" ", "-").replace("_", "-")
        assert said["basePrice"] == 0.07
        assert said["inputSchema"] == INFO["input_schema"]
        path = f"/api/agents/{said['id']}"
        # Its own word changes nothing that its owner said.
        agent.answers["/info"] = {**INFO, "name": name, "base_price": 9, "skills": ["renga"]}
        await place.alice.patch(path, json={"basePrice": 0.5, "limitS": 60, "description": None})

        async def followed() -> bool:
            now = (await place.alice.get(path)).json()
            return bool(now["skills"] == ["renga"])

        await eventually(followed)
        now = (await place.alice.get(path)).json()
        assert (now["basePrice"], now["limitS"]) == (0.5, 60)
        await place.alice.patch(path, json={"basePrice": None, "limitS": None})

        async def cheap() -> bool:
            return bool((await place.alice.get(path)).json()["basePrice"] == 9)

        await eventually(cheap)
        assert (await place.alice.get(path)).json()["limitS"] is None


REFUSED: list[dict[str, Any]] = [
    {"endpointUrl": "http://10.0.0.1"},
    {"endpointUrl": "http://169.254.169.254"},
    {"endpointUrl": "http://a.test/?key=1"},
    {"endpointUrl": "ftp://a.test"},
    {"name": "with a \u202e in it"},
    {"description": "with a \u001b in it"},
    {"skills": [" "]},
    {"skills": ["x" * 101]},
    {"basePrice": -1},
    {"billing": {"mode": "by_mood"}},
    {"limitS": 0},
    {"owner": "bob"},
    {"state": "suspended"},
    {"inputSchema": {"description": "x" * 20_000}},
]


@pytest.mark.parametrize("wrong", REFUSED, ids=lambda wrong: str(wrong)[:40])
async def test_what_cannot_be_listed_is_refused_and_not_stored(
    place: Market, wrong: dict[str, Any]
) -> None:
    body = listing(**wrong)
    assert_problem(await place.alice.post("/api/agents", json=body), 422)
    assert_problem(await place.alice.get(f"/api/agents/{body['id']}"), 404)


async def test_the_listings_of_a_closed_account_are_off_the_market_and_an_admin_alone_resumes_them(
    place: Market, own_stack: Stack
) -> None:
    account = fresh("carol")
    key = await make_key(own_stack.nats_url, account)
    auth = bearer(key)
    bodies = [listing(), listing(), listing(state="draft"), listing()]
    for body in bodies:
        assert (await place.bob.post("/api/agents", json=body, headers=auth)).is_success
    sold, moved, draft, gone = (f"/api/agents/{body['id']}" for body in bodies)
    await place.bob.post(f"{moved}/suspend", json={"reason": "It moves."}, headers=auth)
    await place.bob.delete(gone, headers=auth)

    broker = NatsBroker(**connect_options(registry_settings(own_stack), "test"), logger=None)
    await broker.connect()
    try:
        bus, here = Bus(broker, ADMIN), origin(ADMIN, "test", account)
        order = CloseListings(reason="Its account was closed.")
        first = await bus.ask(CLOSE_LISTINGS, order, here)
        again = await bus.ask(CLOSE_LISTINGS, order, here)
    finally:
        await broker.stop()
    assert set(first.agent_ids) == {bodies[0]["id"], bodies[1]["id"]}
    assert again.agent_ids == []
    shown = (await place.alice.get(sold)).json()
    assert (shown["state"], shown["stateReason"]) == ("suspended", "Its account was closed.")
    for path in (sold, moved):
        assert_problem(await place.bob.post(f"{path}/resume", headers=auth), 409)
    published = await place.bob.patch(draft, json={"state": "active"}, headers=auth)
    assert_problem(published, 409, "closed")
    assert_problem(await place.bob.post("/api/agents", json=listing(), headers=auth), 409, "closed")
    assert (await place.admin.post(f"{sold}/resume")).json()["state"] == "active"
    assert await told(own_stack, bodies[0]["id"], 3) == ["registered", "suspended", "updated"]
