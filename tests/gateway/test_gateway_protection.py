"""Limits of rate and of headers, and what browsers are told about our pages."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import ValidationError

from contracts.registry import LIST_AGENTS
from contracts.task import LIST_TASKS
from tests.gateway import samples
from tests.gateway.credentials import bearer, make_key
from tests.gateway.reading import fresh
from tests.support.gateways import (
    Served,
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)

NO_BUS = "nats://127.0.0.1:1"
WEBHOOK = "/api/payments/stripe/webhook"


@pytest.fixture
async def strict() -> AsyncIterator[httpx.AsyncClient]:
    settings = gateway_settings(
        NO_BUS, rate_limit_address="3/hour", rate_limit_webhook="1/hour", trusted_proxies=()
    )
    with serving(settings) as served:
        async with served.client() as http:
            yield http


async def test_an_address_may_ask_only_so_often(strict: httpx.AsyncClient) -> None:
    for number in range(3):
        forwarded = {"X-Forwarded-For": f"10.0.0.{number}"}  # nobody that we trust says so
        assert_problem(await strict.get("/api/tasks", headers=forwarded), 503)
    refused = await strict.get("/api/tasks", headers={"Origin": "http://localhost:5000"})
    assert_problem(refused, 429, "3 per 1 hour")
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert refused.headers["access-control-allow-origin"] == "http://localhost:5000"
    for path in ("/health", "/openapi.json"):  # Whoever watches us is not counted.
        assert (await strict.get(path)).status_code == 200
    assert_problem(await strict.post(WEBHOOK, content=b"{}"), 503)
    assert_problem(await strict.post(WEBHOOK, content=b"{}"), 429)


async def test_the_address_is_what_a_trusted_proxy_says() -> None:
    settings = gateway_settings(
        NO_BUS, rate_limit_address="1/hour", trusted_proxies="127.0.0.0/8, 10.1.1.1"
    )
    with serving(settings) as served:
        async with served.client() as http:
            for client in ("192.0.2.1", "192.0.2.2", "192.0.2.3, 10.1.1.1"):
                answer = await http.get("/api/tasks", headers={"X-Forwarded-For": client})
                assert_problem(answer, 503)
            again = await http.get(
                "/api/tasks", headers={"X-Forwarded-For": "192.0.2.9, 192.0.2.3"}
            )
            assert_problem(again, 429)


async def test_an_account_may_ask_only_so_often(bus_url: str, services: StandIns) -> None:
    await services.answer(LIST_TASKS, samples.TASKS)
    settings = gateway_settings(bus_url, auth_mode="token", rate_limit_account="2/hour")
    with serving(settings) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
            account = fresh("account")
            one = bearer(await make_key(bus_url, account))
            two = bearer(await make_key(bus_url, account))
            other = bearer(await make_key(bus_url, fresh("account")))
            for headers in (one, two):
                assert (await http.get("/api/tasks", headers=headers)).status_code == 200
            assert_problem(await http.get("/api/tasks", headers=one), 429)
            assert (await http.get("/api/tasks", headers=other)).status_code == 200


async def test_a_page_with_a_hundred_tasks_is_far_below_the_limits(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(LIST_AGENTS, samples.AGENTS)
    answers = [await http.get("/api/agents") for _ in range(102)]
    assert {answer.status_code for answer in answers} == {200}


def test_a_limit_that_cannot_be_is_named() -> None:
    with pytest.raises(ValidationError, match="rate_limit_address"):
        gateway_settings(NO_BUS, rate_limit_address="many")


async def raw(served: Served, head: bytes) -> bytes:
    place = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(head)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "headers",
    [
        b"X-Long: " + b"a" * 40_000 + b"\r\n",
        b"".join(b"X-%d: a\r\n" % number for number in range(101)),
        b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(50)),
        b"X-Endless: " + b"a" * 70_000,
    ],
    ids=["long", "many", "both", "endless"],
)
async def test_headers_beyond_the_limits_are_431(served: Served, headers: bytes) -> None:
    head = b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n" + headers
    end = b"" if b"Endless" in headers else b"\r\n{}"
    answer = await raw(served, head + end)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 431


async def test_a_request_line_beyond_the_limit_is_431(served: Served) -> None:
    answer = await raw(served, b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_headers_within_the_limits_are_taken(http: httpx.AsyncClient) -> None:
    headers = {f"X-{number}": "a" * 300 for number in range(80)}
    assert (await http.get("/ready", headers=headers)).status_code == 200
    body = json.dumps({"userQuery": ""}).encode().ljust(200_000)  # A body is no head.
    sent = {"content-type": "application/json"}
    assert_problem(await http.post("/api/tasks", content=body, headers=sent), 422)
    assert (await http.get("/ready")).status_code == 200


async def test_browsers_are_told_what_pages_may_do(http: httpx.AsyncClient, tmp_path: Path) -> None:
    for path, status in (("/health", 200), ("/api/nothing", 404), ("/docs", 200)):
        answer = await http.get(path)
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "strict-transport-security" not in answer.headers
    for path in ("/", "/console", "/docs", "/docs/events"):
        policy = (await http.get(path)).headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "http" not in policy
        assert "unsafe" not in policy

    (tmp_path / "index.html").write_text("<!doctype html><p>client</p>")
    settings = gateway_settings(NO_BUS, ui_dist=tmp_path, trusted_proxies="127.0.0.1")
    with serving(settings) as served:
        async with served.client() as client:
            page = await client.get("/tasks", headers={"X-Forwarded-Proto": "https"})
    assert page.headers["strict-transport-security"].startswith("max-age=")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "connect-src 'self'" in policy


async def test_who_has_no_credential_is_counted_by_address(bus_url: str) -> None:
    """A wrong one too, so guessing has an end; what headers say of the address is nothing."""
    settings = gateway_settings(bus_url, auth_mode="token", rate_limit_address="3/hour")
    with serving(settings) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
            for number in range(3):
                headers = bearer(f"guess-{number}") | {
                    "X-Forwarded-For": f"10.0.0.{number}",
                    "Forwarded": f"for=10.0.0.{number}",
                    "X-Real-IP": f"10.0.0.{number}",
                }
                assert_problem(await http.get("/api/tasks", headers=headers), 401)
            assert_problem(await http.get("/api/tasks"), 429)
            valid = bearer(await make_key(bus_url, fresh("account")))
            assert_problem(await http.get("/api/tasks", headers=valid), 429)


async def test_a_site_of_ipv6_is_one_address() -> None:
    settings = gateway_settings(NO_BUS, rate_limit_address="2/hour", trusted_proxies="127.0.0.1")
    with serving(settings) as served:
        async with served.client() as http:
            for client, status in (
                ("2001:db8:0:1::1", 503),
                ("2001:db8:0:1:ffff::2", 503),
                ("2001:db8:0:1::3", 429),
                ("2001:db8:0:2::1", 503),
            ):
                answer = await http.get("/api/tasks", headers={"X-Forwarded-For": client})
                assert_problem(answer, status)
