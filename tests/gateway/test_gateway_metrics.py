"""The gateway shows what it counted, by route and status."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, ...], float]


async def scraped(http: httpx.AsyncClient, name: str) -> Samples:
    """A metric of the page, by its labels' values in the order of their names."""
    page = await http.get("/metrics")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain")
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
        if sample.name == name
    }


def more(before: Samples, after: Samples) -> Samples:
    """What was counted since, but for the looks at the page itself."""
    return {
        labels: value - before.get(labels, 0)
        for labels, value in after.items()
        if value != before.get(labels, 0) and "/metrics" not in labels
    }


@pytest.mark.usefixtures("backend")
async def test_requests_are_counted_by_route_and_status(http: httpx.AsyncClient) -> None:
    counts, times = "bazaar_http_requests_total", "bazaar_http_request_seconds_count"
    before = [await scraped(http, name) for name in (counts, times)]
    for _ in range(2):
        assert (await http.get("/api/agents/a1")).status_code == 200
    assert (await http.get("/api/agents/a.b")).status_code == 404
    after = [await scraped(http, name) for name in (counts, times)]
    route = "/api/agents/{id}"
    assert more(before[0], after[0]) == {("GET", route, "200"): 2, ("GET", route, "404"): 1}
    assert more(before[1], after[1]) == {("GET", route): 3}


async def test_paths_that_lead_nowhere_do_not_become_series(http: httpx.AsyncClient) -> None:
    before = await scraped(http, "bazaar_http_requests_total")
    for number in range(3):
        assert (await http.get(f"/nowhere/{number}")).status_code == 404
    added = more(before, await scraped(http, "bazaar_http_requests_total"))
    assert list(added.values()) == [3]
