"""An address has one way to be written: what others would read in two ways is nobody's."""

import httpx
import pytest

from contracts.ledger import CHECK_LEDGER, LIST_ENTRIES
from gateway.auth import ADMIN
from tests.gateway.credentials import bearer, make_key
from tests.support.gateways import (
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)

CONTROLS = ["%0A", "%0a", "%00", "%0D", "%0D%0A", "%09", "%1B", "%7F", "%C2%85", "%E2%80%A8"]
PATHS = [
    "/api/ledger/check",
    "/api/agents",
    "/api/payments/stripe/webhook",
    "/api/events",
    "/api/tasks/t1",
    "/docs",
    "/openapi.json",
    "/health",
]


@pytest.mark.parametrize("control", CONTROLS)
async def test_a_path_with_a_control_character_is_404(
    http: httpx.AsyncClient, backend: StandIns, control: str
) -> None:
    for path in PATHS:
        for method in ("GET", "POST"):
            assert_problem(await http.request(method, path + control), 404)
    assert_problem(await http.get(f"/api/tasks/{control}/steps"), 404)
    for path in (f"/{control}", f"/api/tasks/a{control}b", f"/{control}api/agents"):
        assert_problem(await http.get(path), 404)
    assert backend.asked == []


async def test_a_scope_does_not_depend_on_how_an_address_is_written(
    bus_url: str, services: StandIns
) -> None:
    key = await make_key(bus_url, "alice", "--scopes", "read,write")
    with serving(gateway_settings(bus_url, auth_mode="token")) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
            for path in ADMIN:
                for spelt in ("%0A", "%00", "%0A%0A", "/", "//", "%2F", "%20", ";a", "%3F"):
                    answer = await http.get(path + spelt, headers=bearer(key))
                    assert answer.status_code == 404, spelt
                for spelt in (path, path.replace("check", "%63heck"), f"{path}?full=true"):
                    assert_problem(await http.get(spelt, headers=bearer(key)), 403, "admin")
    assert services.asked == []


async def test_the_route_itself_asks_for_the_scope_too(
    bus_url: str, services: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should another spelling ever pass the door."""
    monkeypatch.setattr("gateway.auth.ADMIN", frozenset())
    key = await make_key(bus_url, "alice", "--scopes", "read,write")
    with serving(gateway_settings(bus_url, auth_mode="token")) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
            answer = await http.get("/api/ledger/check", headers=bearer(key))
            assert_problem(answer, 403, "admin")
            assert 'scope="admin"' in answer.headers["www-authenticate"]
    assert services.got(CHECK_LEDGER) == []


@pytest.mark.parametrize("control", CONTROLS)
async def test_a_query_parameter_with_a_control_character_is_refused(
    http: httpx.AsyncClient, services: StandIns, control: str
) -> None:
    for parameter in ("account", "cursor"):
        answer = await http.get(f"/api/ledger?{parameter}=wallet{control}")
        assert_problem(answer, 422, f"{parameter}: ")
    assert services.got(LIST_ENTRIES) == []
