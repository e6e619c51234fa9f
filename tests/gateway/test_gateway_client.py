"""The built client from the gateway's own origin, and the API beside it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.gateways import Served, assert_problem, gateway_settings, serving

INDEX = "<!doctype html><title>AgentBazaar</title>"
SCRIPT = "console.log('hello')"
SECRET = "nobody's business"


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """A gateway (without NATS) with a client as a bundler lays it out."""
    home: Path = tmp_path_factory.mktemp("ui")
    dist = home / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text(INDEX)
    (dist / "favicon.ico").write_bytes(b"icon")
    (dist / "assets" / "index-BxYz12_4.js").write_text(SCRIPT)
    (dist / "assets" / "plain.css").write_text("body {}")
    (home / "secret.txt").write_text(SECRET)
    (dist / "link.txt").symlink_to(home / "secret.txt")
    with serving(gateway_settings("nats://127.0.0.1:1", ui_dist=dist)) as served:
        yield served


@pytest.fixture
async def browser(site: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with site.client() as client:
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/index.html",
        "/hubchat",
        "/tasks",
        "/payments?x=1",
        "/deep/er/page",
        "/assets",
        "/assets/",
        "/assets/gone-12345678.js",
        "/apiary",
        "/healthy",
        "/docs-of-mine",
        "/%ff",
        "/" + "a" * 5_000,
        "/page.html/",
    ],
)
async def test_every_page_is_index_html(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path, headers={"Accept": "*/*"})
    assert (answer.status_code, answer.text) == (200, INDEX)
    assert "text/html" in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "no-cache"


async def test_files_are_files(browser: httpx.AsyncClient) -> None:
    script = await browser.get("/assets/index-BxYz12_4.js")
    assert (script.status_code, script.text) == (200, SCRIPT)
    assert "javascript" in script.headers["content-type"]
    assert "immutable" in script.headers["cache-control"]
    for path in ("/favicon.ico", "/assets/plain.css"):
        answer = await browser.get(path)
        assert answer.status_code == 200
        assert answer.text != INDEX
        assert answer.headers["cache-control"] == "no-cache"
        tag = {"If-None-Match": answer.headers["etag"]}
        assert (await browser.get(path, headers=tag)).status_code == 304


@pytest.mark.parametrize("path", ["/", "/tasks", "/favicon.ico"])
async def test_head_is_get_without_the_body(browser: httpx.AsyncClient, path: str) -> None:
    head, get = await browser.head(path), await browser.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["cache-control"] == get.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%5csecret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/link.txt",
    ],
)
async def test_nothing_outside_the_folder_is_served(site: Served, path: str) -> None:
    place = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 200 ")
    assert answer.endswith(INDEX)
    assert SECRET not in answer


async def test_the_api_is_not_shadowed(browser: httpx.AsyncClient) -> None:
    html = {"Accept": "text/html"}
    for path in ("/api", "/api/", "/api/unknown", "/api/agents/a/b", "/health/x", "/docs/x"):
        assert_problem(await browser.get(path, headers=html), 404)
    assert_problem(await browser.post("/api/unknown", json={}), 404)
    assert_problem(await browser.put("/api/agents", json={}), 405)
    assert_problem(await browser.post("/tasks", json={}), 405)
    assert_problem(await browser.get("/api/agents"), 503)
    assert_problem(await browser.get("/ready"), 503)
    assert (await browser.get("/health")).json()["status"] == "degraded"
    assert (await browser.get("/openapi.json")).json()["info"]["title"] == "AgentBazaar"
    assert "swagger" in (await browser.get("/docs")).text.lower()
