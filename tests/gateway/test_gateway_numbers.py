"""Numbers and members of bodies: exactly as they were sent, or refused in a sentence."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from contracts.task import CREATE_TASK, INVOKE_AGENT
from tests.support.gateways import StandIns, assert_problem

JSON = {"content-type": "application/json"}
TASK = "/api/tasks"
MADE = '{"userQuery": "a", "maxBudget": %s}'


async def post(http: httpx.AsyncClient, path: str, body: str) -> httpx.Response:
    return await http.post(path, content=body, headers=JSON)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("1", "1"),
        ("1.10", "1.1"),
        ("0.000001", "0.000001"),
        ("1e-06", "0.000001"),
        ("1e2", "100"),
        ("999999.999999", "999999.999999"),
        ("1000000.0000000", "1000000"),
        ("-0", "0"),
        ("-0.0", "0"),
        ('"1.10"', "1.1"),
        ('"0.3000000000"', "0.3"),
        ('"1000000"', "1000000"),
    ],
)
async def test_an_amount_is_taken_as_it_was_sent(
    http: httpx.AsyncClient, backend: StandIns, sent: str, kept: str
) -> None:
    assert (await post(http, TASK, MADE % sent)).status_code == 200
    assert backend.got(CREATE_TASK)[0].body.max_budget == Decimal(kept)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("0.1000000000000000055", "cannot be kept as it is; send it as a text"),
        ("12345678901234567890.1", "cannot be kept"),
        ("1e-400", "cannot be kept"),
        ("1e999", "too large"),
        ("0.1234567", "decimal places"),
        ("1e-7", "decimal places"),
        ("1000000.000001", "less than or equal"),
        ("123456789012345678901234567890", "digits in total"),
        ("-1", "greater than or equal"),
        ("true", "an amount is a number"),
        ("[]", "maxBudget: "),
        *((json.dumps(text), "text of digits") for text in ("1_0", " 1", "+1", "1e3", "-0", "")),
        *((json.dumps(text), "text of digits") for text in ("\u0661", "NaN", "Infinity", "1,5")),
    ],
)
async def test_an_amount_that_would_change_is_refused_in_words(
    http: httpx.AsyncClient, backend: StandIns, sent: str, words: str
) -> None:
    assert_problem(await post(http, TASK, MADE % sent), 422, words)
    assert backend.asked == []


WAYS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("/api/tasks", {"userQuery": "a"}, "maxBudget"),
    ("/api/invoke-agent", {"agentId": "a", "payload": {}}, "maxPrice"),
    ("/api/hubchat/message", {"content": "a"}, "maxBudget"),
    ("/api/payments/bazaarbucks", {"taskId": "t", "agentId": "a"}, "amount"),
    ("/api/payments/bazaarbucks/p/refund", {}, "amount"),
    ("/api/payments/checkout", {}, "amount"),
)


@pytest.mark.parametrize(("path", "body", "field"), WAYS)
async def test_every_amount_is_read_so(
    http: httpx.AsyncClient, backend: StandIns, path: str, body: dict[str, Any], field: str
) -> None:
    for wrong in ("1_0", "+1", "1e3", True, "\u0661", 0.0000001):
        assert_problem(await http.post(path, json=body | {field: wrong}), 422, f"{field}: ")
    assert backend.asked == []


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/api/tasks", ("taskId", "id", "status", "user_query", "MaxBudget")),
        ("/api/invoke-agent", ("stepId", "account", "agent_id", "amount")),
        ("/api/hubchat/message", ("turnId", "role", "max_budget")),
        ("/api/payments/bazaarbucks", ("maxBudget", "task_id")),
        ("/api/payments/bazaarbucks/p/refund", ("payment_id", "paymentId")),
        ("/api/payments/stripe/p/refund", ("amount",)),
        ("/api/payments/checkout", ("currency", "payment_id")),
    ],
)
async def test_an_unknown_member_is_named_and_nobody_is_asked(
    http: httpx.AsyncClient, backend: StandIns, path: str, names: tuple[str, ...]
) -> None:
    whole = {each: body for each, body, _ in WAYS} | {"/api/payments/stripe/p/refund": {}}
    body = whole[path] | ({"amount": 1} if path.endswith(("bazaarbucks", "checkout")) else {})
    for name in names:
        answer = await http.post(path, json={**body, name: "1"})
        assert_problem(answer, 422, f"{name}: There is no such field.")
    assert backend.asked == []


async def test_a_member_may_be_there_once(http: httpx.AsyncClient, backend: StandIns) -> None:
    for body in (
        '{"userQuery": "a", "maxBudget": 1, "maxBudget": 900000}',
        '{"userQuery": "a", "userQuery": "a"}',
        '{"userQuery": "a", "\\u0075serQuery": "b"}',
    ):
        assert_problem(await post(http, TASK, body), 422, "is there twice")
    inside = '{"agentId": "a", "payload": {"x": [{"y": 1, "y": 2}]}}'
    assert_problem(await post(http, "/api/invoke-agent", inside), 422, "member y is there twice")
    assert backend.asked == []


@pytest.mark.usefixtures("backend")
async def test_the_clients_own_bodies_are_taken(http: httpx.AsyncClient) -> None:
    """What a client was promised that it may send; see the chat page for what it says there."""
    for path, body in (
        ("/api/invoke-agent", {"agentId": "translator", "taskId": "t1", "payload": {"text": "a"}}),
        ("/api/invoke-agent", {"agentId": "translator", "taskId": "", "payload": {}}),
        ("/api/invoke-agent", {"agentId": "translator", "taskId": None, "payload": {}}),
        ("/api/tasks", {"userQuery": "a", "requiredSkills": ["b"], "maxBudget": 5}),
    ):
        answer = await http.post(path, json=body, headers={"Accept": "*/*"})
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("blank", [" ", "\n\t", "\u00a0", "\u2028", "\ufeff", "\x1c", "\x85"])
async def test_a_text_says_something(
    http: httpx.AsyncClient, backend: StandIns, blank: str
) -> None:
    for path, body in (
        ("/api/tasks", {"userQuery": blank}),
        ("/api/hubchat/message", {"content": blank}),
        ("/api/tasks", {"userQuery": "a", "requiredSkills": [blank]}),
    ):
        assert_problem(await http.post(path, json=body), 422, "white space")
    assert backend.asked == []


async def test_a_payload_arrives_as_it_was_sent(http: httpx.AsyncClient, backend: StandIns) -> None:
    sent = (
        '{"long": 12345678901234567890, "longer": -1000000000000000000000000000000, "cents": 1.10,'
        ' "tiny": 5e-324, "huge": 1.7976931348623157e308, "double": 0.30000000000000004, "e": 1E2}'
    )
    body = f'{{"agentId": "translator", "payload": {sent}}}'
    assert (await post(http, "/api/invoke-agent", body)).status_code == 200
    got = json.dumps(backend.got(INVOKE_AGENT)[0].body.payload)
    assert json.loads(got, parse_float=Decimal) == json.loads(sent, parse_float=Decimal)


@pytest.mark.parametrize(
    "number", ["0.1000000000000000055", "12345678901234567890.5", "1e-400", "9" * 4301, "1e400"]
)
async def test_a_number_in_a_payload_that_would_change_is_refused(
    http: httpx.AsyncClient, backend: StandIns, number: str
) -> None:
    body = f'{{"agentId": "translator", "payload": {{"x": [{{"y": {number}}}]}}}}'
    assert_problem(await post(http, "/api/invoke-agent", body), 422, "number")
    assert backend.asked == []
