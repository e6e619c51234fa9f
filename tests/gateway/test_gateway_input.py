"""What bodies callers may send, and the sentence that they get for what they may not."""

import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.chat import MAX_CONTENT
from contracts.task import INVOKE_AGENT
from tests.support.gateways import StandIns, assert_problem

JSON = {"content-type": "application/json"}
POSTS = ("/api/tasks", "/api/invoke-agent", "/api/hubchat/message")
CALL = {"agentId": "translator", "payload": {"text": "hello"}}


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
        (b"[" * 100_000, 422),
        (b'{"a":' * 1_000, 422),
        (b"[" * 100_000 + b"]" * 100_000, 422),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 422),
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
    http: httpx.AsyncClient, backend: StandIns, path: str, body: bytes, status: int
) -> None:
    assert_problem(await http.post(path, content=body, headers=JSON), status)
    assert backend.asked == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/invoke-agent", {"agentId": "translator"}, "payload: Field required"),
        ("/api/invoke-agent", {"payload": {}}, "agentId: Field required, or a skill"),
        ("/api/invoke-agent", {**CALL, "payload": "hello"}, "payload: "),
        ("/api/invoke-agent", {**CALL, "payload": None}, "payload: "),
        ("/api/invoke-agent", {**CALL, "payload": []}, "payload: A JSON object is"),
        ("/api/invoke-agent", {**CALL, "agentId": ""}, "agentId: "),
        ("/api/invoke-agent", {**CALL, "agentId": 7}, "agentId: "),
        ("/api/invoke-agent", {**CALL, "agentId": "a.b"}, "agentId: Letters, digits"),
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
        ("/api/hubchat/message", {"content": "a", "taskId": "a b"}, "taskId: "),
        ("/api/hubchat/message", {"content": "a", "taskId": 5}, "taskId: "),
        ("/api/agents/a/credential", {"value": "b", "header": ""}, "header: The name of a header"),
        ("/api/agents/a/credential", {"value": "b\n"}, "value: 1 to 4,096 visible"),
        ("/api/sessions", {"limit": 1, "expiresAt": "2030-01-01T00:00:00"}, "expiresAt: a time"),
        ("/api/sessions", {"limit": 1, "expiresAt": 1893456000}, "expiresAt: a time with its"),
    ],
)
async def test_a_wrong_field_is_named_and_nobody_is_asked(
    http: httpx.AsyncClient, backend: StandIns, path: str, body: object, field: str
) -> None:
    assert_problem(await http.post(path, json=body), 422, field)
    assert backend.asked == []


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
        ("[" * 300 + "]" * 300, "levels deep"),
        ('"\\ud800"', "escape"),
    ],
)
async def test_what_would_trip_others_up_is_refused_anywhere_in_a_payload(
    http: httpx.AsyncClient, backend: StandIns, value: str, words: str
) -> None:
    body = f'{{"agentId": "translator", "payload": {{"x": {value}}}}}'
    answer = await http.post("/api/invoke-agent", content=body, headers=JSON)
    assert_problem(answer, 422, words)
    assert backend.asked == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_only_json_is_taken(
    http: httpx.AsyncClient, backend: StandIns, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = await http.post("/api/invoke-agent", content=json.dumps(CALL), headers=headers)
    assert_problem(answer, 415, "application/json")
    assert backend.asked == []


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        *(("", 422), (";charset=utf-8", 422), ('; Charset="UTF-8"', 422), ("; v=1", 422)),
        *(("; charset=utf-16", 415), (";charset=latin-1", 415), ("; charset=", 415)),
        *(("; charset=utf-8; charset=utf-16", 415), ("; charset*=utf-8''utf-16", 415)),
        *(("; v=1; charset=utf-7", 415), ("; charset", 415)),
    ],
)
async def test_json_is_utf_8(
    http: httpx.AsyncClient, backend: StandIns, parameters: str, status: int
) -> None:
    headers = {"content-type": f"application/json{parameters}"}
    assert_problem(await http.post("/api/tasks", content=b"{}", headers=headers), status)
    twice = [("content-type", "application/json"), ("content-type", "text/plain")]
    assert_problem(await http.post("/api/tasks", content=b"{}", headers=twice), 415)
    assert backend.asked == []


async def test_unusual_but_good_bodies_are_taken(
    http: httpx.AsyncClient, backend: StandIns
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
    body = json.dumps({**CALL, "payload": odd, "taskId": ""})
    answer = await http.post("/api/invoke-agent", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    asked = backend.got(INVOKE_AGENT)[0].body
    assert asked.payload == odd
    assert asked.task_id is None
    assert (await http.post("/api/invoke-agent", json={**CALL, "taskId": None})).is_success


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
@pytest.mark.usefixtures("backend")
async def test_junk_never_breaks_the_gateway(
    http: httpx.AsyncClient, path: str, body: bytes
) -> None:
    answer = await http.post(path, content=body, headers=JSON)
    if answer.status_code != 200:
        assert answer.status_code in (400, 422)
        assert_problem(answer, answer.status_code)
