"""A built client, served by the gateway from its own origin (`UI_DIST`)."""

import httpx
import pytest

from tests.e2e.conftest import CLIENT


@pytest.mark.parametrize("path", ["/", "/hubchat", "/tasks", "/payments", "/no/such/page"])
async def test_every_page_is_the_client(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text == (CLIENT / "index.html").read_text()


async def test_its_files_are_served_as_they_are(http: httpx.AsyncClient) -> None:
    answer = await http.get("/assets/index-B7kQ2xZ9.js")
    assert answer.status_code == 200
    assert "javascript" in answer.headers["content-type"]
    assert answer.text == (CLIENT / "assets/index-B7kQ2xZ9.js").read_text()


@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/api/tasks/", "/api/../../etc/passwd"])
async def test_an_unknown_address_of_the_api_is_not_a_page(
    http: httpx.AsyncClient, path: str
) -> None:
    answer = await http.get(path)
    if not path.endswith("passwd"):
        assert answer.status_code == 404
        assert answer.json()["error"]
    assert "root:" not in answer.text


async def test_the_description_of_the_api_is_not_a_page_of_the_client(
    http: httpx.AsyncClient,
) -> None:
    described = (await http.get("/openapi.json")).json()
    assert "/api/invoke-agent" in described["paths"]
    assert "swagger" in (await http.get("/docs")).text.lower()
