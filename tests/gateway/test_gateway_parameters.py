"""Queries, methods and headers: what an address does not know is refused by its name."""

import httpx
import pytest

from contracts.chat import LIST_MESSAGES
from contracts.ledger import CHECK_LEDGER, LIST_ENTRIES, EntryList, LedgerCheck
from contracts.task import LIST_TASKS
from tests.gateway import samples
from tests.support.clients import http_client
from tests.support.gateways import DEADLINE_S, StandIns, assert_problem

LISTS = ("/api/agents", "/api/tasks", "/api/messages", "/api/payments/stripe", "/api/ledger")
READ_ALONE = ("/api/agents/a", "/api/tasks/t1", "/api/wallet", "/health", "/ready", "/api/events")


@pytest.mark.parametrize("path", [*LISTS, *READ_ALONE, "/api/ledger/check"])
async def test_an_unknown_query_parameter_is_named(
    http: httpx.AsyncClient, backend: StandIns, path: str
) -> None:
    for query in ("colour=red", "colour", "Limit=5", "%00=1", "l%C3%ADmit=5", "limit[]=5"):
        answer = await http.get(f"{path}?{query}")
        assert_problem(answer, 422, "There is no such query parameter.")
    assert "colour: " in (await http.get(f"{path}?colour=red")).json()["error"]
    assert backend.asked == []


async def test_posts_take_no_query(http: httpx.AsyncClient, backend: StandIns) -> None:
    for path in ("/api/tasks", "/api/invoke-agent", "/api/hubchat/message"):
        assert_problem(await http.post(f"{path}?account=x", json={}), 422, "account: ")
    assert_problem(await http.post("/api/payments/stripe/p1/retry?now=1"), 422, "now: ")
    assert_problem(await http.delete("/api/hubchat/messages/t1?all=1"), 422, "all: ")
    assert backend.asked == []


async def test_a_query_parameter_may_be_there_once(
    http: httpx.AsyncClient, backend: StandIns
) -> None:
    for query in ("limit=5&limit=5", "limit=5&limit=6", "limit=1&cursor=a&limit=1"):
        assert_problem(await http.get(f"/api/agents?{query}"), 422, "limit: ", "twice")
    assert backend.asked == []


NO_NUMBERS = ("1_0", "+5", "%205", "5%20", "%D9%A1%D9%A0", "%EF%BC%95", "05", "5.0", "1e1", "0x5")


@pytest.mark.parametrize("number", NO_NUMBERS)
async def test_numbers_in_a_query_are_written_in_digits(
    http: httpx.AsyncClient, backend: StandIns, number: str
) -> None:
    for path in LISTS:
        assert_problem(await http.get(f"{path}?limit={number}"), 422, "limit: ", "digits 0 to 9")
    assert backend.asked == []


@pytest.mark.parametrize("place", ["1_0", "+5", "05", "5.0", "1e1", "9" * 19, "-1", "x"])
async def test_a_place_in_a_stream_is_written_in_digits(
    http: httpx.AsyncClient, place: str
) -> None:
    answer = await http.get("/api/events", headers={"Last-Event-ID": place})
    assert_problem(answer, 422, "Last-Event-ID: ")


@pytest.mark.parametrize("truth", ["1", "yes", "on", "TRUE", "t", "", "%20true"])
async def test_true_is_written_true(
    http: httpx.AsyncClient, services: StandIns, truth: str
) -> None:
    await services.answer(CHECK_LEDGER, LedgerCheck(ok=True, findings=[]))
    assert_problem(await http.get(f"/api/ledger/check?full={truth}"), 422, "full: ")
    assert services.asked == []
    for given in ("true", "false"):
        assert (await http.get(f"/api/ledger/check?full={given}")).status_code == 200
    assert [asked.body.full for asked in services.asked] == [True, False]


async def test_what_forms_send_for_nothing_is_nothing(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(LIST_MESSAGES, samples.MESSAGES)
    await services.answer(LIST_ENTRIES, EntryList(entries=[]))
    answer = await http.get("/api/messages?taskId=&cursor=")
    assert answer.status_code == 200
    assert services.got(LIST_MESSAGES)[0].body.task_id is None
    for path in ("/api/events", "/api/hubchat/stream?taskId="):
        async with http.stream("GET", path, headers={"Last-Event-ID": ""}) as stream:
            assert stream.status_code == 200, path
            assert (await anext(stream.aiter_lines())).startswith(":")
    assert_problem(await http.get("/api/ledger?account="), 422, "account: ")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/agents", "GET, HEAD, POST"),
        ("/api/agents/translator", "DELETE, GET, HEAD, PATCH"),
        ("/api/agents/translator/resume", "POST"),
        ("/api/tasks", "GET, HEAD, POST"),
        ("/api/payments/bazaarbucks", "GET, HEAD, POST"),
        ("/api/payments/bazaarbucks/p1/refund", "POST"),
        ("/api/payments/stripe/webhook", "POST"),
        ("/api/hubchat/messages/t1", "DELETE"),
        ("/api/hubchat/message", "POST"),
        ("/api/events", "GET, HEAD"),
        ("/health", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
async def test_405_says_every_method_of_the_address(
    http: httpx.AsyncClient, path: str, allowed: str
) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"} - {
        *allowed.split(", ")
    }:
        answer = await http.request(method, path)
        assert_problem(answer, 405, "method")
        assert answer.headers["allow"] == allowed


async def test_head_is_get_without_the_body(http: httpx.AsyncClient, services: StandIns) -> None:
    await services.answer(LIST_TASKS, samples.TASKS.model_copy(update={"next_cursor": "b2"}))
    for path in ("/api/tasks", "/api/tasks?limit=0", "/api/nothing", "/health", "/openapi.json"):
        whole, head = await http.get(path), await http.head(path)
        assert head.status_code == whole.status_code
        assert head.content == b""
        for name in ("content-type", "link", "content-security-policy"):
            assert head.headers.get(name) == whole.headers.get(name)
        if path != "/health":  # which measures
            assert head.headers["content-length"] == str(len(whole.content))
    refused = await http.head("/api/hubchat/message")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


async def test_head_of_a_stream_holds_none(http: httpx.AsyncClient) -> None:
    async with http_client(base_url=http.base_url, timeout=DEADLINE_S) as other:
        for _ in range(30):  # An account may have 20 open.
            answer = await other.head("/api/events")
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
