"""The gateway's own pages: where they are, how small, and that nothing comes from afar."""

import json
import re
from pathlib import Path

import httpx
import pytest

from gateway.site import CONSOLE, SPECS
from tests.support.gateways import assert_problem, gateway_settings, serving

NO_BUS = "nats://127.0.0.1:1"
MOST_BYTES = 150_000
REFERENCE = re.compile(
    r"""(?:src|href|from|import)[=( ]+["'](/[^"'#]*|\./[^"']*|https?:[^"']*)["']"""
)
FILES = sorted(path for path in CONSOLE.iterdir() if path.suffix in {".js", ".html", ".css"})


@pytest.mark.parametrize("path", ["/", "/console", "/docs", "/docs/events"])
async def test_a_page_is_answered(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert (await http.head(path)).status_code == 200
    assert_problem(await http.post(path), 405)


async def test_pages_are_made_of_files_of_the_gateway_alone(http: httpx.AsyncClient) -> None:
    for file in FILES:
        for reference in REFERENCE.findall(file.read_text()):
            place = reference.replace("./", "/console/", 1) if "://" not in reference else ""
            assert place, f"{file.name} takes {reference} from afar"
            assert (await http.get(place)).status_code == 200, f"{file.name}: {reference}"


def test_the_console_is_small_and_makes_no_markup() -> None:
    assert sum(path.stat().st_size for path in CONSOLE.iterdir()) < MOST_BYTES
    for file in FILES:
        text = file.read_text()
        for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert sink not in text, f"{file.name} has {sink}"
        assert not re.search(r"""\s(?:style|on[a-z]+)=["']""", text), f"{file.name} has code in it"


@pytest.mark.parametrize(
    "path",
    [
        *("/console/", "/console/index.html", "/console/nothing.js", "/console/%2e%2e/app.py"),
        *("/docs/", "/docs/assets/__init__.py", "/docs/specs/../bodies.py", "/docs/specs/x.json"),
    ],
)
async def test_nothing_else_is_there(http: httpx.AsyncClient, path: str) -> None:
    assert_problem(await http.get(path), 404)


async def test_files_that_are_as_they_were_are_not_sent_again(http: httpx.AsyncClient) -> None:
    first = await http.get("/console/app.js")
    again = await http.get("/console/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_documents_of_the_services_are_served(http: httpx.AsyncClient) -> None:
    for path in SPECS.glob("*.asyncapi.json"):
        assert (await http.get(f"/docs/specs/{path.name}")).json() == json.loads(path.read_text())


async def test_beside_a_client_the_console_is_at_its_own_address(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><p>client</p>")
    with serving(gateway_settings(NO_BUS, ui_dist=tmp_path)) as served:
        async with served.client() as http:
            assert "client" in (await http.get("/")).text
            assert "AgentBazaar" in (await http.get("/console")).text
            assert_problem(await http.get("/console/nothing"), 404)


async def test_pages_need_no_key_and_hold_no_data(bus_url: str) -> None:
    with serving(gateway_settings(bus_url, auth_mode="token")) as served:
        async with served.client() as http:
            assert (await http.get("/")).status_code == 200
            assert_problem(await http.get("/api/wallet"), 401)
