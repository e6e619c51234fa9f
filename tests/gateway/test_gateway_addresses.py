"""Paths, methods and queries: what is unknown is 404, what is wrong is named."""

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.gateways import Served, StandIns, assert_problem


@pytest.mark.parametrize(
    "id_",
    ["a.b", "a%20b", "%20", "a*", "a>", "%ff", "a" * 65, "%F0%9F%8E%89", "%2A"],
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
    http: httpx.AsyncClient, backend: StandIns, path: str, sentence: str, id_: str
) -> None:
    assert_problem(await http.get(path.format(id_)), 404, sentence)
    assert backend.asked == []


@pytest.mark.parametrize(
    "path",
    [
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
    writer.write(
        b"GET /api/agents/../../x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/agents"),
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
    http: httpx.AsyncClient, backend: StandIns, query: str
) -> None:
    for path in ("/api/agents", "/api/tasks", "/api/tasks/t1/steps", "/api/messages"):
        assert_problem(await http.get(f"{path}?{query}"), 422, "limit: ")
    for path in ("/api/payments/bazaarbucks", "/api/payments/stripe"):
        assert_problem(await http.get(f"{path}?{query}"), 422, "limit: ")
    assert backend.asked == []


@pytest.mark.parametrize("cursor", ["a" * 201, "%00", "a%0Ab", "%F0%9F%8E%89", "%ff", "a%20b"])
async def test_a_cursor_that_cannot_be_is_named(
    http: httpx.AsyncClient, backend: StandIns, cursor: str
) -> None:
    assert_problem(await http.get(f"/api/agents?cursor={cursor}"), 422, "cursor: ")
    assert backend.asked == []
