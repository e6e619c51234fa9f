"""Without authentication, only this machine's own names are answered, and only for known pages."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.registry import LIST_AGENTS
from gateway.hosts import host_of
from tests.gateway import samples
from tests.support.gateways import (
    Served,
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)

NO_BUS = "nats://127.0.0.1:1"
STRANGE = "http://pages.example"
ISSUER = {
    "jwks_url": "http://127.0.0.1:1/keys",
    "jwt_issuer": "https://issuer.example",
    "jwt_audience": "bazaar",
}


async def raw(served: Served, head: bytes) -> int:
    """The status that comes back for a request line and headers."""
    place = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(head + b"Connection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return int(answer.split()[1])


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    dist: Path = tmp_path_factory.mktemp("dist")
    (dist / "index.html").write_text("<!doctype html>")
    with serving(gateway_settings(NO_BUS, ui_dist=dist)) as served:
        yield served


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8000", "LOCALHOST:1", "localhost.", "localhost.:8000"),
        *("127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:8000", "localhost:"),
    ],
)
async def test_this_machine_is_known(site: Served, host: str) -> None:
    head = f"GET / HTTP/1.1\r\nHost: {host}\r\n".encode()
    assert await raw(site, head) == 200
    assert await raw(site, head.replace(b"1.1\r\n", b"1.0\r\n")) == 200


@pytest.mark.parametrize(
    "headers",
    [
        *("Host: pages.example\r\n", "Host: pages.example:8000\r\n", "Host: 127.0.0.1.example\r\n"),
        *("Host: localhost.example\r\n", "Host: example@localhost\r\n", "Host: 127.0.0.2\r\n"),
        *("Host: localhost:80:80\r\n", "Host: localhost, localhost\r\n", "Host: 0.0.0.0\r\n"),
        *("Host: localhost:port\r\n", "Host: localhost/\r\n", "Host: ::1\r\n", "Host:\r\n", ""),
        *("Host: loc\xe4lhost\r\n", "Host: localhost..\r\n", "Host: [::1\r\n", "Host: .\r\n"),
        "Host: localhost\r\nHost: pages.example\r\n",
        "Host: pages.example\r\nX-Forwarded-Host: localhost\r\n",
        "Host: pages.example\r\nForwarded: host=localhost\r\n",
    ],
)
async def test_another_host_is_421(site: Served, headers: str) -> None:
    for path in ("/", "/api/agents", "/health", "/ready", "/docs", "/openapi.json"):
        for version in ("1.1", "1.0"):
            head = f"GET {path} HTTP/{version}\r\n{headers}".encode("latin-1")
            assert await raw(site, head) == 421, path


async def test_the_target_says_which_host(site: Served) -> None:
    known = b"\r\nHost: localhost\r\n"
    assert await raw(site, b"GET http://pages.example/ HTTP/1.1" + known) == 421
    assert await raw(site, b"GET http://localhost@pages.example/ HTTP/1.1" + known) == 421
    other = b"\r\nHost: pages.example\r\n"
    assert await raw(site, b"GET http://localhost:81/ HTTP/1.1" + other) == 200


async def test_the_sentence_names_the_variable(site: Served) -> None:
    async with site.client() as http:
        answer = await http.get("/api/agents", headers={"Host": "pages.example"})
    assert_problem(answer, 421, "ALLOWED_HOSTS")


async def test_other_hosts_may_be_named() -> None:
    settings = gateway_settings(NO_BUS, allowed_hosts="Bazaar.example, [2001:db8::1]")
    with serving(settings) as served:
        for host, status in (
            ("bazaar.example:80", 200),
            ("[2001:DB8::1]", 200),
            ("localhost", 421),
        ):
            head = f"GET /health HTTP/1.1\r\nHost: {host}\r\n".encode()
            assert await raw(served, head) == status
    for odd in ("*", "http://bazaar.example", "bazaar.example:80", "a b"):
        with pytest.raises(ValidationError, match="allowed_hosts"):
            gateway_settings(NO_BUS, allowed_hosts=odd)


@pytest.mark.parametrize("mode", ["token", "jwt"])
async def test_who_has_a_credential_may_call_any_host_unless_it_is_set(mode: str) -> None:
    for named, status in ("", 401), ("bazaar.example", 421):
        settings = gateway_settings(NO_BUS, auth_mode=mode, allowed_hosts=named, **ISSUER)
        with serving(settings) as served:
            head = b"GET /api/agents HTTP/1.1\r\nHost: pages.example\r\n"
            assert await raw(served, head) == status


@given(st.text())
def test_a_host_is_one_word_or_none(text: str) -> None:
    host = host_of(text)
    assert host is None or (host == host.lower() and not set(host) & set("/@ ,?#\\\r\n\x00"))


# Pages of other sites.


async def test_pages_of_other_sites_may_do_nothing(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(LIST_AGENTS, samples.AGENTS)
    for origin in (STRANGE, "null", "http://localhost:50000", "http://[", ""):
        for method, path in (
            ("POST", "/api/payments/stripe/p1/retry"),
            ("POST", "/api/payments/stripe/webhook"),
            ("POST", "/api/tasks"),
            ("DELETE", "/api/hubchat/messages/t1"),
            ("GET", "/api/events"),
            ("GET", "/api/hubchat/stream"),
            ("GET", "/api/agents"),
        ):
            answer = await http.request(method, path, headers={"Origin": origin})
            assert_problem(answer, 403, "CORS_ORIGINS")
    assert services.asked == []


async def test_a_page_that_hides_its_origin_is_known_by_its_site(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    """An image, a frame, a link: they have no origin, and open what they point at."""
    await services.answer(LIST_AGENTS, samples.AGENTS)
    for path in ("/api/events", "/api/agents"):
        for site in ("cross-site", "same-site", "other", ""):
            answer = await http.get(path, headers={"Sec-Fetch-Site": site})
            assert_problem(answer, 403)
        twice = [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "same-site")]
        assert_problem(await http.get(path, headers=twice), 403)
    for site in ("same-origin", "none"):
        answer = await http.get("/api/agents", headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 200
    answer = await http.get("/docs", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200


async def test_own_pages_and_listed_ones_may_ask(
    http: httpx.AsyncClient, served: Served, services: StandIns
) -> None:
    for origin in (served.url, "http://localhost:5000"):
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-site"}
        for method, path in (
            ("POST", "/api/payments/stripe/p1/retry"),
            ("DELETE", "/api/hubchat/messages/t1"),
            ("GET", "/api/agents"),
        ):
            # It comes through; nobody stands in for who would answer.
            assert_problem(await http.request(method, path, headers=headers), 503)
    assert services.asked == []


async def test_an_origin_is_a_scheme_too(http: httpx.AsyncClient, served: Served) -> None:
    host = urlsplit(served.url).netloc
    for origin in (f"https://{host}", f"chrome-extension://{host}", f"//{host}", host):
        answer = await http.get("/api/agents", headers={"Origin": origin})
        assert_problem(answer, 403, "CORS_ORIGINS")


async def test_behind_a_trusted_proxy_the_own_origin_is_the_callers(bus_url: str) -> None:
    with serving(gateway_settings(bus_url, trusted_proxies="127.0.0.1")) as served:
        host = urlsplit(served.url).netloc
        async with served.client() as http:
            for scheme, status in (("https", 404), ("http", 403)):
                headers = {"Origin": f"{scheme}://{host}", "X-Forwarded-Proto": "https"}
                answer = await http.get("/api/nothing", headers=headers)
                assert_problem(answer, status)


async def test_with_a_credential_origins_do_not_matter(bus_url: str) -> None:
    """A page of another site has none to send."""
    with serving(gateway_settings(bus_url, auth_mode="token")) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
            answer = await http.get("/api/agents", headers={"Origin": STRANGE})
            assert_problem(answer, 401)
