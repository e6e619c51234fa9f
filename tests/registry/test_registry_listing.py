import asyncio
from contextlib import AsyncExitStack
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest
from asyncpg import Connection

from chassis.db.pages import encode_cursor
from contracts import errors
from contracts.listings import LIST_AGENT
from contracts.registry import GET_AGENT, LIST_AGENTS, REGISTER_AGENT
from registry_svc.handlers.listing import LISTED_AT_ONCE
from registry_svc.seeds import SEEDS
from tests.registry.helpers import NOWHERE, Client, Replica
from tests.registry.little_agent import INFO, LittleAgent
from tests.support.polling import eventually
from tests.support.stack import Stack, connected

HAIKU = {
    "id": "haiku",
    "endpoint_url": NOWHERE,
    "name": "Haiku Agent",
    "description": "Writes haiku.",
    "skills": ["haiku"],
    "base_price": "0.07",
}


async def test_replicas_that_start_together_list_the_six_agents_once(
    replica: Replica, client: Client
) -> None:
    one, two = replica(), replica()
    await asyncio.gather(one.__aenter__(), two.__aenter__())
    try:
        agents = await client.agents()
        assert [agent.id for agent in agents] == [seed.id for seed in SEEDS]
        await eventually(lambda: client.published("registered.*"))
    finally:
        await asyncio.gather(one.__aexit__(None, None, None), two.__aexit__(None, None, None))
    # What was committed has left by the next start; a seventh event would be there too.
    async with replica():
        assert len(await eventually(lambda: client.several("registered.*", 6))) == 6
    translator = agents[1]
    assert translator.name == "Translator Agent"
    assert translator.base_price == translator.dynamic_price == Decimal("0.10")
    assert translator.skills == ["translate", "language_detection", "localization"]
    assert (translator.load, translator.jobs_completed, translator.avg_response_time) == (0, 0, 0)
    assert translator.rating == Decimal("4.50")
    assert not translator.availability


async def test_a_later_start_follows_a_changed_url_and_nothing_else(
    replica: Replica, client: Client
) -> None:
    async with replica():
        await client.ask(REGISTER_AGENT, **HAIKU | {"id": "search", "name": "My Search"})
        assert len(await eventually(lambda: client.several("updated.*", 1))) == 1
    async with replica(search_url="http://127.0.0.1:10/", translator_url="http://127.0.0.1:11"):
        search, translator = await client.agent("search"), await client.agent("translator")
        assert search.name == "My Search"
        assert search.endpoint_url == "http://127.0.0.1:10"
        assert translator.endpoint_url == "http://127.0.0.1:11"
        assert len(await eventually(lambda: client.several("updated.*", 3))) == 3


async def test_an_agent_moved_over_the_bus_stays_there_at_the_next_start(
    replica: Replica, client: Client
) -> None:
    async with replica():
        elsewhere = "http://127.0.0.1:10"
        await client.ask(REGISTER_AGENT, **HAIKU | {"id": "search", "endpoint_url": elsewhere})
    async with replica():
        assert (await client.agent("search")).endpoint_url == elsewhere


async def test_an_agent_is_listed_with_what_it_says_of_itself(
    replica: Replica, client: Client
) -> None:
    async with replica(), LittleAgent(info=INFO, load=40) as agent:
        reply = await client.ask(
            REGISTER_AGENT, id="haiku", endpoint_url=agent.url + "/", name="Basho"
        )
        listed = reply.agent
        assert listed.name == "Basho"
        assert listed.description == INFO["description"]
        assert listed.skills == ["haiku", "poetry"]
        assert listed.base_price == Decimal("0.07")
        assert listed.endpoint_url == agent.url
        assert listed.input_schema == INFO["input_schema"]
        assert listed.negotiable
        assert not listed.availability  # Nobody has probed it yet.
        await eventually(lambda: _available(client, "haiku"))
        assert (await client.agents())[-1].id == "haiku"
        events = await eventually(lambda: client.published("registered.haiku"))
        assert [event.body["name"] for event in events] == ["Basho"]


async def _available(client: Client, agent_id: str) -> bool:
    return (await client.agent(agent_id)).availability


async def test_registering_again_changes_the_listing_and_says_so_only_then(
    replica: Replica, client: Client
) -> None:
    async with replica():
        await client.ask(REGISTER_AGENT, **HAIKU)
        same = await client.ask(REGISTER_AGENT, **HAIKU)
        assert same.agent.base_price == Decimal("0.07")
        dearer = await client.ask(REGISTER_AGENT, **HAIKU | {"base_price": "0.09"})
        assert dearer.agent.base_price == Decimal("0.09")
        events = await eventually(lambda: client.published("updated.haiku"))
        assert [Decimal(event.body["basePrice"]) for event in events] == [Decimal("0.09")]


async def test_two_who_register_the_same_id_at_once_leave_one_listing(
    replica: Replica, client: Client
) -> None:
    async with replica():
        await asyncio.gather(
            *(client.ask(REGISTER_AGENT, **HAIKU | {"name": f"Haiku {n}"}) for n in range(8))
        )
        assert [a.id for a in await client.agents()].count("haiku") == 1
        assert len(await eventually(lambda: client.several("updated.haiku", 7))) == 7
        assert len(await eventually(lambda: client.published("registered.haiku"))) == 1


CANNOT_SAY: list[Any] = [
    404,
    500,
    b"no json",
    b"[]",
    b'{"name": "' + b"x" * 70_000 + b'"}',
    INFO | {"base_price": None},
    INFO | {"base_price": "free"},
    INFO | {"base_price": -1},
    INFO | {"skills": "haiku"},
    INFO | {"skills": []},
    {},
]


async def test_an_agent_that_cannot_say_what_is_missing_is_not_listed(
    replica: Replica, client: Client, subtests: pytest.Subtests
) -> None:
    async with replica(), LittleAgent() as agent:
        for info in CANNOT_SAY:
            with subtests.test(info=str(info)[:60]):
                agent.answers["/info"] = info
                with pytest.raises(errors.BadAnswer):
                    await client.ask(REGISTER_AGENT, id="haiku", endpoint_url=agent.url)
                with pytest.raises(errors.NotFound):
                    await client.agent("haiku")


async def test_an_agent_that_is_not_there_cannot_be_asked(replica: Replica, client: Client) -> None:
    async with replica():
        with pytest.raises(errors.BadAnswer, match="cannot be reached"):
            await client.ask(REGISTER_AGENT, id="haiku", endpoint_url=NOWHERE)


CANNOT_BE_LISTED: list[dict[str, Any]] = [
    {"endpoint_url": "http://a.test/?key=1"},
    {"endpoint_url": "http://me:secret@a.test"},
    *({"name": f"with a {mark} in it"} for mark in "\x00\x1b\x9b\u202e\u200b\u2028\n"),
    *({"description": f"with a {mark} in it"} for mark in "\x00\x1b\x9b\u202e\u2066"),
    *({"name": name} for name in ("\u3164", "\uffa0", "\u2800", "a\ufe0f", "...")),
    {"skills": ["haiku\u200b"]},
    {"skills": ["\u1160"]},
    {"capabilities": ["verse\U000e0100"]},
    {"capabilities": ["\x1b[2J"]},
    {"skills": ["  "]},
    {"skills": ["x" * 101]},
]


async def test_what_cannot_be_listed_is_refused(
    replica: Replica, client: Client, subtests: pytest.Subtests
) -> None:
    async with replica():
        for wrong in CANNOT_BE_LISTED:
            with subtests.test(wrong=str(wrong)):
                with pytest.raises(errors.Invalid):
                    await client.ask(REGISTER_AGENT, **HAIKU | wrong)
                with pytest.raises(errors.NotFound, match="Agent not found"):
                    await client.ask(GET_AGENT, agent_id="haiku")


async def test_a_schema_that_cannot_be_stored_counts_as_none(
    replica: Replica, client: Client
) -> None:
    for schema in ({"x": "\x00"}, {"x": "y" * 17_000}, "object"):
        async with replica(), LittleAgent(info=INFO | {"input_schema": schema}) as agent:
            reply = await client.ask(REGISTER_AGENT, id="haiku", endpoint_url=agent.url)
            assert reply.agent.input_schema is None


async def pages(client: Client, limit: int) -> list[list[str]]:
    """The ids on each page, following the cursors to the end."""
    found = []
    cursor = None
    while True:
        page = await client.ask(LIST_AGENTS, limit=limit, cursor=cursor)
        found.append([agent.id for agent in page.agents])
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_pages_follow_each_other_without_gap_or_overlap(
    replica: Replica, client: Client
) -> None:
    async with replica():
        for number in range(5):
            await client.ask(REGISTER_AGENT, **HAIKU | {"id": f"haiku-{number}"})
        found = await pages(client, 4)
        assert list(chain(*found)) == [seed.id for seed in SEEDS] + [f"haiku-{n}" for n in range(5)]
        assert [len(page) for page in found] == [4, 4, 3]
        assert [len(page) for page in await pages(client, 11)] == [11]


async def test_cursors_of_others_are_refused_or_lead_nowhere(
    replica: Replica, client: Client, subtests: pytest.Subtests
) -> None:
    too_far = encode_cursor(str(2**63))
    async with replica():
        for cursor in ("", "7", encode_cursor("-1"), encode_cursor("x"), "\x00", too_far):
            with subtests.test(cursor=cursor), pytest.raises(errors.Invalid):
                await client.ask(LIST_AGENTS, cursor=cursor)
        page = await client.ask(LIST_AGENTS, cursor=encode_cursor("1000"))
        assert page.agents == []
        assert page.next_cursor is None


async def test_a_page_of_heavy_agents_is_cut_to_what_a_message_may_weigh(
    replica: Replica, client: Client
) -> None:
    many = ["\u8a69" * 97 + f"{n:03}" for n in range(50)]
    heavy = HAIKU | {"description": "\u8a69" * 2_000, "skills": many, "capabilities": many}
    async with replica():
        for number in range(40):
            await client.ask(REGISTER_AGENT, **heavy | {"id": f"heavy-{number}"})
        found = await pages(client, 500)
        assert list(chain(*found)) == [seed.id for seed in SEEDS] + [
            f"heavy-{n}" for n in range(40)
        ]
        assert len(found) == 2


async def test_listings_that_wait_for_each_other_keep_nobody_from_being_found(
    replica: Replica, client: Client, stack: Stack
) -> None:
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('listings of demo', 0))"
    new = {**{name: value for name, value in HAIKU.items() if name != "id"}, "state": "active"}
    async with replica(database_pool=LISTED_AT_ONCE + 1), AsyncExitStack() as held:
        conn = await held.enter_async_context(connected(stack.owner_url("registry")))
        await held.enter_async_context(conn.transaction())
        await conn.execute(lock)
        names = [
            {"agent_id": f"haiku-{n}", "name": f"Haiku {n}"} for n in range(LISTED_AT_ONCE + 5)
        ]
        asked = [client.ask(LIST_AGENT, **new | name) for name in names]
        listing = asyncio.gather(*asked)
        await eventually(lambda: waiting_for_it(conn))
        assert (await client.agent("translator")).name == "Translator Agent"
        await held.aclose()
        assert len(await listing) == len(names)


async def waiting_for_it(conn: Connection) -> bool:
    """Whether as many wait for a lock as may."""
    count = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return bool(await conn.fetchval(count) >= LISTED_AT_ONCE)
