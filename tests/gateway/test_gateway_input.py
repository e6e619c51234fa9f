"""What callers may send, and the sentence that they get for what they may not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.chat import MAX_CONTENT, POST_MESSAGE
from contracts.registry import GET_AGENT, LIST_AGENTS
from contracts.task import CREATE_TASK, GET_TASK, INVOKE_AGENT, LIST_STEPS
from tests.gateway import samples
from tests.gateway.helpers import (
    Served,
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    stand_ins,
)

JSON = {"content-type": "application/json"}
POSTS = ("/api/tasks", "/api/invoke-agent", "/api/hubchat/message")
CALL = {"agentId": "translator", "payload": {"text": "hello"}}


@pytest.fixture(scope="module")
async def everybody(bus_url: str) -> AsyncIterator[StandIns]:
    """Stand-ins that answer everything, so whatever is refused was refused by the gateway."""
    async with stand_ins(bus_url) as standing:
        await standing.answer(CREATE_TASK, samples.ONE_TASK)
        await standing.answer(INVOKE_AGENT, samples.RESULT)
        await standing.answer(POST_MESSAGE, samples.posted)
        await standing.answer(GET_AGENT, samples.ONE_AGENT)
        await standing.answer(GET_TASK, samples.ONE_TASK)
        await standing.answer(LIST_STEPS, samples.STEPS)
        await standing.answer(LIST_AGENTS, samples.AGENTS)
        yield standing


@pytest.fixture
def services(everybody: StandIns) -> StandIns:
    """The same, having been asked nothing yet."""
    everybody.asked.clear()
    return everybody


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"{'content': 1}", 400),
        (b'{"content": "a",}', 400),
        (b"\xff\xfe", 400),
        (b'{"content": "\xff"}', 400),
        (b'{"content": "a\nb"}', 400),
        (b'{"content": NaN}', 400),
        (b'{"content": Infinity}', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 1_000, 400),
        (b"[" * 500 + b"]" * 500, 422),
        (b'{"a":' * 100 + b"1" + b"}" * 100, 422),
        (b'{"content": "\\ud800"}', 422),
        (b'{"\\udc00": "a"}', 422),
        (b'{"content": "a\\u0000b"}', 422),
        (b'{"content": 1e999}', 422),
        (b'{"content": ' + b"9" * 400 + b".5}", 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"7", 422),
        (b"{}", 422),
    ],
)
async def test_a_bad_body_is_refused_and_nobody_is_asked(
    http: httpx.AsyncClient, services: StandIns, path: str, body: bytes, status: int
) -> None:
    assert_problem(await http.post(path, content=body, headers=JSON), status)
    assert services.asked == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/invoke-agent", {"agentId": "translator"}, "payload: Field required"),
        ("/api/invoke-agent", {"payload": {}}, "agentId: Field required"),
        ("/api/invoke-agent", {**CALL, "payload": "hello"}, "payload: "),
        ("/api/invoke-agent", {**CALL, "payload": None}, "payload: "),
        ("/api/invoke-agent", {**CALL, "payload": []}, "payload: "),
        ("/api/invoke-agent", {**CALL, "agentId": ""}, "agentId: "),
        ("/api/invoke-agent", {**CALL, "agentId": 7}, "agentId: "),
        ("/api/invoke-agent", {**CALL, "agentId": "a.b"}, "agentId: "),
        ("/api/invoke-agent", {**CALL, "agentId": "a*"}, "agentId: "),
        ("/api/invoke-agent", {**CALL, "agentId": "a" * 65}, "agentId: "),
        ("/api/invoke-agent", {**CALL, "taskId": "a b"}, "taskId: "),
        ("/api/invoke-agent", {**CALL, "taskId": 5}, "taskId: "),
        ("/api/invoke-agent", {**CALL, "taskId": []}, "taskId: "),
        ("/api/invoke-agent", {**CALL, "maxPrice": -1}, "maxPrice: "),
        ("/api/invoke-agent", {**CALL, "maxPrice": 1e300}, "maxPrice: "),
        ("/api/invoke-agent", {**CALL, "maxPrice": 10**400}, "maxPrice: "),
        ("/api/invoke-agent", {**CALL, "maxPrice": "cheap"}, "maxPrice: "),
        ("/api/invoke-agent", {**CALL, "maxPrice": 0.0000001}, "maxPrice: "),
        ("/api/invoke-agent", {**CALL, "maxPrice": "NaN"}, "maxPrice: "),
        ("/api/tasks", {}, "userQuery: Field required"),
        ("/api/tasks", {"userQuery": ""}, "userQuery: "),
        ("/api/tasks", {"userQuery": None}, "userQuery: "),
        ("/api/tasks", {"userQuery": {"a": 1}}, "userQuery: "),
        ("/api/tasks", {"userQuery": "a", "requiredSkills": "b"}, "requiredSkills: "),
        ("/api/tasks", {"userQuery": "a", "requiredSkills": [1]}, "requiredSkills.0: "),
        ("/api/tasks", {"userQuery": "a", "maxBudget": -0.5}, "maxBudget: "),
        ("/api/hubchat/message", {}, "content: Field required"),
        ("/api/hubchat/message", {"content": None}, "content: "),
        ("/api/hubchat/message", {"content": 5}, "content: "),
        ("/api/hubchat/message", {"content": ["a"]}, "content: "),
        ("/api/hubchat/message", {"content": ""}, "content: "),
        ("/api/hubchat/message", {"content": " \n\t"}, "content: "),
        ("/api/hubchat/message", {"content": "a" * (MAX_CONTENT + 1)}, "content: "),
        ("/api/hubchat/message", {"content": "a", "maxBudget": "b"}, "maxBudget: "),
        ("/api/hubchat/message", {"content": "a", "maxBudget": 10_000_000}, "maxBudget: "),
    ],
)
async def test_a_wrong_field_is_named_and_nobody_is_asked(
    http: httpx.AsyncClient, services: StandIns, path: str, body: object, field: str
) -> None:
    assert_problem(await http.post(path, json=body), 422, field)
    assert services.asked == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('"a\\u0000b"', "NUL"),
        ('["a", {"b\\u0000": 1}]', "NUL"),
        ("1e999", "too large"),
        ("-1E+999", "too large"),
        ("9" * 400 + ".5", "too large"),
        ("[" * 100 + "]" * 100, "levels deep"),
        ('{"a":' * 100 + "1" + "}" * 100, "levels deep"),
        ("[" * 300 + "]" * 300, "recursion"),
        ('"\\ud800"', "escape"),
    ],
)
async def test_what_would_trip_others_up_is_refused_anywhere_in_a_payload(
    http: httpx.AsyncClient, services: StandIns, value: str, words: str
) -> None:
    body = f'{{"agentId": "translator", "payload": {{"x": {value}}}}}'
    answer = await http.post("/api/invoke-agent", content=body, headers=JSON)
    assert_problem(answer, 422, words)
    assert services.asked == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_only_json_is_taken(
    http: httpx.AsyncClient, services: StandIns, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = await http.post("/api/invoke-agent", content=json.dumps(CALL), headers=headers)
    assert_problem(answer, 415, "application/json")
    assert services.asked == []


async def test_unusual_but_good_bodies_are_taken(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    odd = {
        "a literal \\u0000": "no NUL: \\u0000",
        "number": 1e300,
        "long": 10**400,
        "emoji": "🎉",
        "deep": [[[[[[{}]]]]]],
        "wide": [[]] * 200,
    }
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    body = json.dumps({**CALL, "payload": odd, "unknown": 1, "taskId": ""})
    answer = await http.post("/api/invoke-agent", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    asked = services.got(INVOKE_AGENT)[0].body
    assert asked.payload == odd
    assert asked.task_id is None
    assert (await http.post("/api/invoke-agent", json={**CALL, "taskId": None})).is_success


@pytest.mark.parametrize(
    "id_",
    ["a.b", "a%20b", "%20", "a*", "a>", "%00", "%ff", "a" * 65, "%F0%9F%8E%89", "a%0Ab", "%2A"],
)
@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/agents/{}", "Agent not found"),
        ("/api/tasks/{}", "Task not found"),
        ("/api/tasks/{}/steps", "Task not found"),
    ],
)
async def test_an_id_that_cannot_be_is_unknown(
    http: httpx.AsyncClient, services: StandIns, path: str, sentence: str, id_: str
) -> None:
    assert_problem(await http.get(path.format(id_)), 404, sentence)
    assert services.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/",
        "/api/unknown",
        "/api/agents/",
        "/api/agents/a/b",
        "/api/agents/..%2F..%2Fx",
        "/api/payments",
        "/API/agents",
        "/nothing",
        "/docs/nothing",
    ],
)
async def test_an_unknown_address_is_404(http: httpx.AsyncClient, path: str) -> None:
    assert_problem(await http.get(path), 404)
    assert_problem(await http.post(path, json={}), 404)


async def test_dots_in_a_path_lead_nowhere(served: Served) -> None:
    place = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(b"GET /api/agents/../../x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/agents"),
        ("PUT", "/api/tasks"),
        ("DELETE", "/api/tasks/t1"),
        ("GET", "/api/invoke-agent"),
        ("PATCH", "/api/messages"),
        ("POST", "/health"),
        ("OPTIONS", "/api/agents"),
    ],
)
async def test_a_wrong_method_is_405(http: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await http.request(method, path, json={})
    assert_problem(answer, 405, "method")
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=-1", "limit=ten", "limit=", "limit=1.5", "limit=" + "9" * 5000],
)
async def test_a_wrong_limit_is_named(
    http: httpx.AsyncClient, services: StandIns, query: str
) -> None:
    for path in ("/api/agents", "/api/tasks", "/api/tasks/t1/steps", "/api/messages"):
        assert_problem(await http.get(f"{path}?{query}"), 422, "limit: ")
    for path in ("/api/payments/bazaarbucks", "/api/payments/stripe"):
        assert_problem(await http.get(f"{path}?{query}"), 422, "limit: ")
    assert services.asked == []


@pytest.mark.parametrize("cursor", ["a" * 201, "%00", "a%0Ab", "%F0%9F%8E%89", "%ff", "a%20b"])
async def test_a_cursor_that_cannot_be_is_named(
    http: httpx.AsyncClient, services: StandIns, cursor: str
) -> None:
    assert_problem(await http.get(f"/api/agents?cursor={cursor}"), 422, "cursor: ")
    assert services.asked == []


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=10,
)
NAMES = (
    "agentId",
    "taskId",
    "payload",
    "maxPrice",
    "userQuery",
    "requiredSkills",
    "maxBudget",
)
FIELDS = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JUNK))


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=st.sampled_from(POSTS[:2]), body=FIELDS.map(json.dumps).map(str.encode) | st.binary())
@pytest.mark.usefixtures("services")
async def test_junk_never_breaks_the_gateway(
    http: httpx.AsyncClient, path: str, body: bytes
) -> None:
    answer = await http.post(path, content=body, headers=JSON)
    if answer.status_code != 200:
        assert answer.status_code in (400, 422)
        assert_problem(answer, answer.status_code)


LIMIT = 1_048_576


async def chunks(size: int) -> AsyncIterator[bytes]:
    while size > 0:
        yield b" " * min(size, 65_536)
        size -= 65_536


@pytest.mark.parametrize("over", [1, LIMIT, 8 * LIMIT])
async def test_a_body_over_the_limit_is_413(
    http: httpx.AsyncClient, services: StandIns, over: int
) -> None:
    for path in POSTS:
        announced = await http.post(path, content=b" " * (LIMIT + over), headers=JSON)
        assert_problem(announced, 413, "1048576 bytes")
        chunked = await http.post(path, content=chunks(LIMIT + over), headers=JSON)
        assert_problem(chunked, 413, "1048576 bytes")
    assert services.asked == []


async def test_a_body_of_just_the_limit_is_taken(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    body = json.dumps({**CALL, "payload": {"text": ""}})
    full = body.replace('"text": ""', '"text": "' + "a" * (LIMIT - len(body)) + '"')
    assert len(full) == LIMIT
    answer = await http.post("/api/invoke-agent", content=full, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert len(services.got(INVOKE_AGENT)[0].body.payload["text"]) == LIMIT - len(body)


async def test_a_body_that_swells_over_the_bus_limit_is_refused(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    """A number takes more room written out; the server would cut off who sends too much."""
    body = b'{"agentId": "a", "payload": {"x": [' + b",".join([b"1e15"] * 200_000) + b"]}}"
    swollen = await http.post("/api/invoke-agent", content=body, headers=JSON)
    assert swollen.status_code in (200, 422), swollen.text  # as large as this server takes
    assert services.client.is_connected
    assert (await http.get("/api/agents")).status_code == 200


async def test_an_endless_body_does_not_hold_the_connection(served: Served) -> None:
    place = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(
        b"POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )

    async def pour() -> None:
        while True:
            writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            await writer.drain()

    pouring = asyncio.create_task(pour())
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    except ConnectionError:
        pass  # who never stops may not get to hear the answer
    else:
        assert head.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in head.lower()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(pouring, 20)


async def test_a_caller_that_asks_before_it_sends_is_told_at_once(served: Served) -> None:
    place = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(
        b"POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"
    )
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_does_not_come_is_408(bus_url: str) -> None:
    with serving(gateway_settings(bus_url, body_wait_s=0.2)) as served:
        place = urlsplit(served.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(
            b"POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        # Who hangs up halfway is no trouble either.
        with socket.create_connection((place.hostname or "", place.port or 0)) as half:
            half.sendall(b"POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        async with served.client() as http:
            assert (await http.get("/ready")).status_code in (200, 503)
