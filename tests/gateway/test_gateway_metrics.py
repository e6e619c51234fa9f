"""The gateway shows what it counted, by route and status."""

import signal
import socket

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chassis.observability import metrics
from chassis.release import release
from deploy.local.ports import free_port
from tests.gateway.test_gateway_process import NO_BUS, process
from tests.support import processes
from tests.support.clients import http_client
from tests.support.gateways import Served, assert_problem, gateway_settings, serving

Samples = dict[tuple[str, ...], float]


async def scraped(served: Served, name: str) -> Samples:
    """A metric of the page, by its labels' values in the order of their names."""
    async with http_client() as http:
        page = await http.get(served.metrics_url)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain")
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
        if sample.name == name
    }


def more(before: Samples, after: Samples) -> Samples:
    """What was counted since."""
    return {
        labels: value - before.get(labels, 0)
        for labels, value in after.items()
        if value != before.get(labels, 0)
    }


@pytest.mark.usefixtures("backend")
async def test_requests_are_counted_by_route_and_status(
    served: Served, http: httpx.AsyncClient
) -> None:
    counts, times = "bazaar_http_requests_total", "bazaar_http_request_seconds_count"
    before = [await scraped(served, name) for name in (counts, times)]
    for _ in range(2):
        assert (await http.get("/api/agents/a1")).status_code == 200
    assert (await http.get("/api/agents/a.b")).status_code == 404
    after = [await scraped(served, name) for name in (counts, times)]
    route = "/api/agents/{id}"
    assert more(before[0], after[0]) == {("GET", route, "200"): 2, ("GET", route, "404"): 1}
    assert more(before[1], after[1]) == {("GET", route): 3}


async def test_paths_that_lead_nowhere_do_not_become_series(
    served: Served, http: httpx.AsyncClient
) -> None:
    before = await scraped(served, "bazaar_http_requests_total")
    for number in range(3):
        assert (await http.get(f"/nowhere/{number}")).status_code == 404
    added = more(before, await scraped(served, "bazaar_http_requests_total"))
    assert list(added.values()) == [3]


async def test_a_process_shows_them_until_it_ends() -> None:
    port = free_port()
    async with process(ready=503, NATS_URL=NO_BUS, METRICS_PORT=str(port)) as gateway:
        page = await gateway.http.get(f"http://127.0.0.1:{port}/metrics")
        assert "bazaar_http_requests_total" in page.text
        gateway.service.terminate()
        await gateway.end()
    assert gateway.service.popen.returncode == -signal.SIGTERM


async def test_without_a_port_to_show_them_at_it_does_not_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = {"NATS_URL": NO_BUS, "METRICS_PORT": taken.getsockname()[1]}
        async with processes.process("gateway", PORT=0, **where) as gateway:
            assert await gateway.ends() == 1
    assert "cannot show metrics" in gateway.text()


@pytest.mark.parametrize("mode", ["none", "token", "jwt"])
async def test_metrics_are_not_where_callers_ask(mode: str) -> None:
    issuer = {
        "jwks_url": "http://127.0.0.1:1/keys",
        "jwt_issuer": "https://issuer.example",
        "jwt_audience": "bazaar",
    }
    with serving(gateway_settings(NO_BUS, auth_mode=mode, **issuer)) as served:
        async with served.client() as http:
            for path in ("/metrics", "/metrics/", "/api/../metrics"):
                assert_problem(await http.get(path), 404)
        assert await scraped(served, "bazaar_http_requests_total")
        async with http_client() as http:  # And nothing else is where they are.
            for path in ("/", "/health", "/api/agents"):
                address = served.metrics_url.removesuffix("/metrics") + path
                assert (await http.get(address)).status_code == 404


async def test_the_metrics_say_whose_they_are() -> None:
    metrics.name_service("gateway")
    with serving(gateway_settings(NO_BUS)) as served:
        found = await scraped(served, "bazaar_service")
    assert (release(), "gateway") in found
