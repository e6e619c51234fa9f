"""Lists: page by page along the Link header, every item once, and from another origin too."""

import asyncio

import httpx
import pytest

from tests.e2e import books

LISTS = ("/api/messages", "/api/tasks", "/api/payments/bazaarbucks", "/api/payments/stripe")
MOST_PAGES = 6
UI = "http://localhost:5000"


@pytest.fixture(scope="module", autouse=True)
async def _some_of_everything(http: httpx.AsyncClient) -> None:
    await asyncio.gather(
        *(
            http.post("/api/hubchat/message", json={"content": f"Search for tides {n}"})
            for n in range(5)
        )
    )


@pytest.mark.parametrize("path", LISTS)
async def test_every_item_comes_once_whatever_the_page_size(
    http: httpx.AsyncClient, path: str
) -> None:
    whole = await books.get(http, path, limit=500)
    pages: list[list[books.Json]] = []
    url: str | None = f"{path}?limit=2"
    while url is not None and len(pages) < MOST_PAGES:
        answer = await http.get(url)
        pages.append(answer.json())
        url = answer.links.get("next", {}).get("url")

    assert len({item["id"] for item in whole}) == len(whole) >= 5
    assert all(len(page) == 2 for page in pages[:-1])
    if path == "/api/messages":  # Oldest first within a page, but the newest page comes first.
        pages = [page[::-1] for page in pages]
        whole = whole[::-1]
    assert [item for page in pages for item in page] == whole[: 2 * MOST_PAGES]


async def test_the_agents_page_by_page(http: httpx.AsyncClient) -> None:
    whole = [agent["id"] for agent in await books.everything(http, "/api/agents", limit=500)]
    by_four = [agent["id"] for agent in await books.everything(http, "/api/agents", limit=4)]
    assert by_four == whole
    assert len(whole) >= 6


async def test_the_last_page_has_no_next(http: httpx.AsyncClient) -> None:
    task = (await books.get(http, "/api/tasks", limit=1))[0]["id"]
    answer = await http.get(f"/api/tasks/{task}/steps")
    assert "link" not in answer.headers


@pytest.mark.parametrize("path", [*LISTS, "/api/agents"])
@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=many", "limit=-1", "cursor=nonsense", "cursor=%00"]
)
async def test_a_page_that_cannot_be_is_422(http: httpx.AsyncClient, path: str, query: str) -> None:
    answer = await http.get(f"{path}?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]


async def test_the_ui_on_its_own_origin_may_ask(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/agents", headers={"origin": UI})
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["access-control-allow-credentials"] == "true"

    preflight = await http.options(
        "/api/hubchat/message",
        headers={
            "origin": UI,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == UI
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "content-type" in preflight.headers["access-control-allow-headers"].lower()


async def test_an_error_can_be_read_from_the_ui_too(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/agents/nobody", headers={"origin": UI})
    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == UI


async def test_other_origins_may_not_ask(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/agents", headers={"origin": "http://localhost:5001"})
    assert "access-control-allow-origin" not in answer.headers
