"""Bad input: the right status, a sentence for people, and nothing stored."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.e2e import books
from tests.e2e.market import Market, new_skill
from tests.e2e.problems import is_error

MIB = 1024 * 1024
ONE_CALL = {"agentId": "translator", "payload": {"text": "hello"}}
CHAT, TASKS, INVOKE = "/api/hubchat/message", "/api/tasks", "/api/invoke-agent"


@pytest.fixture
async def unchanged(http: httpx.AsyncClient) -> AsyncIterator[None]:
    """Nothing was stored when the test is over: no message, and no task to be paid for."""

    async def newest() -> list[Any]:
        paths = ("/api/tasks", "/api/messages")
        return await asyncio.gather(*(books.get(http, path, limit=1) for path in paths))

    before = await newest()
    yield
    assert await newest() == before


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/agents/nobody", "Agent not found"),
        ("/api/tasks/nothing", "Task not found"),
        ("/api/tasks/nothing/steps", "Task not found"),
        ("/api/tasks/..%2f..%2fetc", None),
        ("/api/tasks/a%00b", None),
        ("/api/agents/" + "x" * 300, None),
        ("/api/nothing", None),
        ("/api", None),
        ("/api/agents/", None),
    ],
)
async def test_what_is_not_there_is_404(
    http: httpx.AsyncClient, path: str, sentence: str | None
) -> None:
    said = is_error(await http.get(path), 404)
    assert sentence is None or said == sentence


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", [CHAT, TASKS, INVOKE])
@pytest.mark.parametrize("body", ["{", '{"content": }', "hello", "{'content': 'x'}", "\xff"])
async def test_what_is_not_json_is_400(http: httpx.AsyncClient, path: str, body: str) -> None:
    kind = {"content-type": "application/json"}
    is_error(await http.post(path, content=body.encode(), headers=kind), 400)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {}),
        (CHAT, []),
        (CHAT, None),
        (CHAT, {"content": ""}),
        (CHAT, {"content": " \n\t"}),
        (CHAT, {"content": None}),
        (CHAT, {"content": 5}),
        (CHAT, {"content": ["x"]}),
        (CHAT, {"content": "a\x00b"}),
        (CHAT, {"content": "x" * 200_001}),
        (CHAT, {"content": "x", "maxBudget": -1}),
        (CHAT, {"content": "x", "maxBudget": "much"}),
        (TASKS, {}),
        (TASKS, "x"),
        (TASKS, {"userQuery": ""}),
        (TASKS, {"userQuery": 5}),
        (TASKS, {"userQuery": None}),
        (TASKS, {"userQuery": "x", "requiredSkills": "search"}),
        (TASKS, {"userQuery": "x", "requiredSkills": [1]}),
        (TASKS, {"userQuery": "x", "maxBudget": -0.1}),
        (TASKS, {"userQuery": "x", "maxBudget": 10**9}),
        (INVOKE, {}),
        (INVOKE, {"agentId": "translator"}),
        (INVOKE, {"payload": {}}),
        (INVOKE, {"agentId": "translator", "payload": None}),
        (INVOKE, {"agentId": "translator", "payload": "hello"}),
        (INVOKE, {"agentId": "translator", "payload": ["hello"]}),
        (INVOKE, {"agentId": 5, "payload": {}}),
        (INVOKE, {"agentId": "", "payload": {}}),
        (INVOKE, {**ONE_CALL, "maxPrice": -1}),
        (INVOKE, {**ONE_CALL, "maxPrice": "NaN"}),
        (INVOKE, {**ONE_CALL, "taskId": {"$ne": 1}}),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
async def test_wrong_or_missing_fields_are_422_and_nothing_is_stored(
    http: httpx.AsyncClient, path: str, body: Any
) -> None:
    kind = {"content-type": "application/json"}
    is_error(await http.post(path, content=json.dumps(body).encode(), headers=kind), 422)


@pytest.mark.usefixtures("unchanged")
async def test_unknown_agents_and_tasks_are_404_and_nothing_is_stored(
    http: httpx.AsyncClient,
) -> None:
    nobody = {**ONE_CALL, "agentId": "nobody"}
    nowhere = {**ONE_CALL, "taskId": "nowhere"}
    assert is_error(await http.post(INVOKE, json=nobody), 404) == "Agent not found"
    assert is_error(await http.post(INVOKE, json=nowhere), 404) == "Task not found"


@pytest.mark.usefixtures("unchanged")
async def test_a_body_over_1_mib_is_413(http: httpx.AsyncClient) -> None:
    kind = {"content-type": "application/json"}
    too_much = b'{"content": "' + b"x" * MIB + b'"}'

    async def in_parts() -> AsyncIterator[bytes]:
        for start in range(0, len(too_much), 65_536):
            yield too_much[start : start + 65_536]

    is_error(await http.post(CHAT, content=too_much, headers=kind), 413)
    is_error(await http.post(CHAT, content=in_parts(), headers=kind), 413)


async def test_a_body_of_almost_1_mib_reaches_the_agent(
    http: httpx.AsyncClient, market: Market
) -> None:
    async def length(text: str) -> str:
        return str(len(text))

    agent = await market.agent(new_skill("count"), work=length)
    most = "x" * (MIB - 200)
    answer = await http.post(INVOKE, json={"agentId": agent.id, "payload": {"text": most}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"] == str(len(most))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
async def test_other_methods_are_405(http: httpx.AsyncClient, method: str) -> None:
    is_error(await http.request(method, TASKS), 405)
