"""Finding agents over HTTP, choosing among them, and listing what is found at an address."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import delete, text

from contracts.listings import FindAgents
from registry_svc import store_finding
from registry_svc.tables import agent_probes, agent_words, agents
from registry_svc.words import roots
from tests.chassis.raw_agent import TOO_MUCH, RawAgent
from tests.gateway.reading import fresh
from tests.registry.little_agent import INFO, LittleAgent
from tests.registry.market import Market, ids, listing, market
from tests.support.gateways import assert_problem
from tests.support.polling import eventually
from tests.support.stack import Stack, connected
from tests.task.a2a_agent import a2a_agent
from tests.task.mcp_tools import tools_of


@pytest.fixture(scope="module")
async def place(own_stack: Stack) -> AsyncIterator[Market]:
    async with market(own_stack) as opened:
        yield opened


async def listed(place: Market, **more: Any) -> str:
    answer = await place.alice.post("/api/agents", json=listing(**more))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def test_agents_are_found_by_what_they_say(place: Market) -> None:
    word = fresh("zythology").replace("-", "")
    one = await listed(place, description=f"Does {word}, quickly.", skills=["Crème Brûlée"])
    two = await listed(place, skills=[f"{word} tasting"], basePrice=0.2)
    assert await ids(place.bob, q=word.upper()) == [one, two]
    assert await ids(place.bob, q=f"{word} taste") == [two]
    assert await ids(place.bob, q=f"{word} brulees") == [one]
    assert await ids(place.bob, q=f"{word} nothing") == []
    assert await ids(place.bob, q="?!") == []
    assert await ids(place.bob, skill=f"{word}  TASTING") == [two]
    assert await ids(place.bob, skill=word) == []
    assert await ids(place.bob, q=word, maxPrice="0.1") == [one]
    assert await ids(place.bob, q=word, available="true") == []
    assert await ids(place.bob, q=word, available="false", owner="alice") == [one, two]
    assert await ids(place.bob, q=word, minRating="4.6") == []
    await place.alice.patch(f"/api/agents/{one}", json={"description": "Does something else."})
    assert await ids(place.bob, q=word) == [two]
    await place.alice.delete(f"/api/agents/{two}")
    assert await ids(place.bob, q=word) == []


@pytest.mark.parametrize(
    ("sort", "order"),
    [("oldest", [0, 1, 2, 3]), ("newest", [3, 2, 1, 0]), ("price", [1, 0, 3, 2]), ("rating", None)],
)
async def test_pages_in_every_order_have_each_agent_once(
    place: Market, sort: str, order: list[int] | None
) -> None:
    skill = fresh("skill")
    prices = (0.2, 0.1, 0.3, 0.2)
    made = [await listed(place, skills=[skill], basePrice=price) for price in prices]
    found = await ids(place.bob, skill=skill, sort=sort, limit=1)
    assert found == ([made[n] for n in order] if order else made)


@pytest.mark.parametrize(
    "wrong",
    [
        {"maxPrice": "1e3"},
        {"minRating": "6"},
        {"sort": "mood"},
        {"available": "yes"},
        {"owner": "a b"},
        {"q": ""},
        {"colour": "red"},
        {"sort": "price", "cursor": "MjA"},
        {"sort": "price", "cursor": "LTEKMQ"},
    ],
    ids=str,
)
async def test_a_search_that_makes_no_sense_is_refused(
    place: Market, wrong: dict[str, str]
) -> None:
    assert_problem(await place.bob.get("/api/agents", params=wrong), 422)


async def test_the_best_is_chosen_with_a_reason(place: Market) -> None:
    skill = fresh("carving")
    async with LittleAgent() as agent:
        dear = await listed(place, skills=[skill], basePrice=0.5, endpointUrl=agent.url)
        cheap = await listed(place, skills=[skill], basePrice=0.2, endpointUrl=agent.url)
        away = await listed(place, skills=[skill], basePrice=0.1)
        hidden = await listed(place, skills=[skill], endpointUrl=agent.url)
        await place.alice.post(f"/api/agents/{hidden}/suspend", json={"reason": "a rest"})

        async def both() -> bool:
            return len(await ids(place.bob, skill=skill, available="true")) == 2

        await eventually(both)
        choice = (await place.bob.get("/api/agents/choose", params={"skill": skill})).json()
        assert [one["agent"]["id"] for one in choice["candidates"]] == [cheap, dear, away]
        assert "0.2 BazaarBucks" in choice["reason"]
        assert 0 < choice["candidates"][1]["score"] < choice["candidates"][0]["score"] <= 1
        within = {"skill": skill, "maxPrice": "0.15"}
        choice = (await place.bob.get("/api/agents/choose", params=within)).json()
        assert [one["agent"]["id"] for one in choice["candidates"]] == [away]
        assert "not" not in choice["reason"].split(",")[0]
    nobody = (await place.bob.get("/api/agents/choose", params={"skill": fresh("x")})).json()
    assert nobody["candidates"] == []
    assert nobody["reason"].startswith("Nobody on the market")


# Ten thousand that answer, and are neither probed nor read again meanwhile.
CROWD = (
    """
    INSERT INTO registry.agents (id, name, description, skills, capabilities, base_price,
      endpoint_url, available, failing_since, stars, next_read_at)
    SELECT :skill || '-' || n, 'Crafter ' || n, '', ARRAY[:skill], '{}',
      1 + (n + 5000) % 10000 * 0.01, 'http://127.0.0.1:9', true, NULL, 4, 'infinity'
    FROM generate_series(0, 9999) n
    """,
    """
    INSERT INTO registry.agent_probes (agent_id, due_at)
    SELECT :skill || '-' || n, 'infinity' FROM generate_series(0, 9999) n
    """,
    """
    INSERT INTO registry.agent_words (agent_id, word, available, base_price, stars)
    SELECT id, word, true, base_price, stars
    FROM registry.agents, unnest(ARRAY['=' || :skill, :root, split_part(name, ' ', 2)]) word
    WHERE id LIKE :skill || '-%'
    """,
)


async def test_a_crowd_of_the_dear_hides_no_bargain(
    place: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_finding, "MOST_CANDIDATES", 1)
    monkeypatch.setattr(store_finding, "FEWEST_PER_WORD", 2)
    skill = fresh("crowd")
    async with LittleAgent() as agent:
        made = [
            await listed(place, skills=[skill], basePrice=n / 10, endpointUrl=agent.url)
            for n in range(9, 0, -1)
        ]

        async def all_there() -> bool:
            return len(await ids(place.bob, skill=skill, available="true")) == 9

        await eventually(all_there)
        choice = (await place.bob.get("/api/agents/choose", params={"skill": skill})).json()
        assert choice["candidates"][0]["agent"]["id"] == made[-1]
        assert len(choice["candidates"]) < 9


ROWS_READ = text(
    """
    SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))
    FROM pg_stat_xact_user_tables WHERE relname IN ('agents', 'agent_words')
    """
)


async def read_for_a_page(place: Market, words: list[str]) -> int:
    """How many rows a page of a hundred takes, asked for by who has asked so more often."""
    async with place.service.database.transaction() as tx:
        before = 0
        for _ in range(8):
            before = (await tx.conn.execute(ROWS_READ)).scalar_one()
            await store_finding.page(tx.conn, FindAgents(), words, None, "oldest", None, 99)
        return int((await tx.conn.execute(ROWS_READ)).scalar_one() - before)


async def test_each_of_ten_thousand_is_found_and_the_best_of_them_is_chosen(
    place: Market, own_stack: Stack
) -> None:
    """The dearest and the last, by a word of its own; by a skill of all, the cheapest there is."""
    skill, db = fresh("craft").replace("-", ""), place.service.database
    async with db.transaction() as tx:
        for statement in CROWD:
            await tx.conn.execute(text(statement), {"skill": skill, "root": roots(skill)[0]})
    async with connected(own_stack.owner_url("registry")) as conn:
        await conn.execute("ANALYZE registry.agents, registry.agent_words")
    last, cheapest = f"{skill}-9999", f"{skill}-5000"
    try:
        assert await ids(place.bob, q=f"{skill} 9999") == [last]
        assert (await place.bob.get(f"/api/agents/{last}")).json()["name"] == "Crafter 9999"
        page = await place.bob.get("/api/agents", params={"q": skill, "sort": "price", "limit": 3})
        assert [one["id"] for one in page.json()] == [f"{skill}-{5000 + n}" for n in range(3)]
        choice = (await place.bob.get("/api/agents/choose", params={"skill": skill})).json()
        assert choice["candidates"][0]["agent"]["id"] == cheapest
        assert len(choice["candidates"]) == 20
        assert await read_for_a_page(place, roots(skill)) < 500
        assert await read_for_a_page(place, roots(f"{skill} 9999")) < 100
    finally:
        async with db.transaction() as tx:
            for table in (agent_words, agent_probes):
                mine = table.c.agent_id.startswith(f"{skill}-")
                await tx.conn.execute(delete(table).where(mine))
            await tx.conn.execute(delete(agents).where(agents.c.id.startswith(f"{skill}-")))


async def test_an_import_lists_and_later_brings_up_to_date(place: Market) -> None:
    info = {**INFO, "name": f"Basho {fresh('n')}"}
    async with LittleAgent(info=info) as agent:
        body = {"url": agent.url, "id": fresh("basho")}
        first = await place.alice.post("/api/agents/import", json=body)
        assert first.status_code == 200, first.text
        [made] = first.json()
        assert (made["id"], made["owner"], made["basePrice"]) == (body["id"], "alice", 0.07)
        await place.alice.patch(f"/api/agents/{made['id']}", json={"description": "Mine."})
        agent.answers["/info"] = {**info, "base_price": 0.08, "description": "Its own."}
        [again] = (await place.alice.post("/api/agents/import", json=body)).json()
        assert (again["id"], again["basePrice"], again["description"]) == (
            body["id"],
            0.08,
            "Mine.",
        )
        # Whose it is does not follow from where it is.
        assert_problem(await place.bob.post("/api/agents/import", json=body), 409)


async def test_a_price_that_is_not_said_is_given_in_the_request(place: Market) -> None:
    info = {name: value for name, value in INFO.items() if name != "base_price"}
    info["name"] = f"Free {fresh('n')}"
    async with LittleAgent(info=info) as agent:
        body: dict[str, Any] = {"url": agent.url}
        answer = await place.alice.post("/api/agents/import", json=body)
        assert_problem(answer, 422, "basePrice")
        body["basePrice"] = 0.3
        [made] = (await place.alice.post("/api/agents/import", json=body)).json()
        assert made["basePrice"] == 0.3


LIES: list[Any] = [
    404,
    b"no json",
    {**INFO, "name": "\u202etpG"},
    {**INFO, "base_price": "free"},
    {**INFO, "base_price": 10**7},
    {**INFO, "skills": []},
    {**INFO, "skills": [1]},
    {**INFO, "name": ""},
    {**INFO, "name": "Translator"},
]


async def test_what_cannot_be_read_lists_nothing(place: Market) -> None:
    before = await ids(place.alice, owner="me")
    odd: list[str] = []

    async def refused(what: str, url: str) -> None:
        answer = await place.alice.post("/api/agents/import", json={"url": url})
        if answer.status_code not in (409, 422):
            odd.append(f"{what}: {answer.text}")

    for lie in LIES:
        async with LittleAgent(info=lie) as agent:
            await refused(str(lie), agent.url)
    for name, (behaviour, _) in TOO_MUCH.items():
        async with RawAgent(behaviour) as raw:
            await refused(name, raw.url)
    for url in ("http://10.0.0.1", "http://127.0.0.1:9", "http://no.such.host.invalid"):
        await refused(url, url)
    assert odd == []
    assert await ids(place.alice, owner="me") == before


@pytest.mark.parametrize("wire", ["0.3", "1.0"])
@pytest.mark.parametrize("path", ["", "/a/b"], ids=["origin", "path"])
async def test_an_a2a_agent_is_listed_by_its_card(place: Market, wire: str, path: str) -> None:
    async with a2a_agent(wire, path=path) as agent:
        body = {"url": agent.url, "id": fresh("card"), "basePrice": 0.2}
        answer = await place.alice.post("/api/agents/import", json=body)
        assert answer.status_code == 200, answer.text
        [made] = answer.json()
        assert (made["protocol"], made["basePrice"], made["owner"]) == ("a2a", 0.2, "alice")
        assert made["skills"]

        async def there() -> bool:
            return bool((await place.alice.get(f"/api/agents/{made['id']}")).json()["availability"])

        await eventually(there)


async def test_each_tool_of_an_mcp_server_is_a_listing(place: Market) -> None:
    async with tools_of() as server:
        body = {"url": server.url, "id": "box", "basePrice": 0.01}
        answer = await place.alice.post("/api/agents/import", json=body)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        assert len(made) > 1
        assert all(one["id"].startswith("box-") and one["tool"] for one in made)
        assert any(one["inputSchema"] for one in made)
        assert_problem(
            await place.alice.post("/api/agents/import", json=body | {"tools": ["no such"]}), 422
        )
        again = await place.alice.post("/api/agents/import", json=body)
        assert [one["id"] for one in again.json()] == [one["id"] for one in made]


async def test_a_slash_behind_the_address_makes_no_other_agent(place: Market) -> None:
    async with LittleAgent() as agent:
        agent.answers["/deep/info"] = {**INFO, "name": f"Deep {fresh('n')}"}
        body = {"url": f"{agent.url}/deep/"}
        [made] = (await place.alice.post("/api/agents/import", json=body)).json()
        assert made["endpointUrl"] == f"{agent.url}/deep"
        [again] = (await place.alice.post("/api/agents/import", json=body)).json()
        assert again["id"] == made["id"]
