"""What is no MCP, or not ours: the protocol's own error, and nothing stored and nothing charged."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.complaints.system import Marketplace, Person

VERSION = "2026-07-28"
HEADERS = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": VERSION,
    "mcp-method": "tools/call",
    "mcp-name": "wallet",
}
META: dict[str, Any] = {"io.modelcontextprotocol/clientCapabilities": {}}


def frame(method: str = "tools/call", version: str = VERSION, **params: Any) -> dict[str, Any]:
    meta = META | {"io.modelcontextprotocol/protocolVersion": version}
    params = {"_meta": meta, "name": "wallet", "arguments": {}} | params
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}


async def sent(person: Person, body: Any, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = {"content": body} if isinstance(body, bytes | str) else {"json": body}
    return await person.first.post("/mcp", headers=HEADERS | named, **content)


async def test_a_proper_frame_is_answered(alice: Person) -> None:
    answer = await sent(alice, frame())
    assert answer.status_code == 200
    assert answer.json()["result"]["structuredContent"]["available"] == 100


async def test_white_space_around_the_value_of_a_header_is_none_of_it(alice: Person) -> None:
    """Clients may send it; httpx would not."""
    place, body = alice.first.base_url, json.dumps(frame()).encode()
    given = {
        **HEADERS,
        "mcp-name": "  wallet ",
        "host": f"{place.host}:{place.port}",
        "authorization": alice.first.headers["authorization"],
        "content-length": str(len(body)),
        "connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    reader, writer = await asyncio.open_connection(place.host, place.port)
    writer.write(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (frame(version="1999-01-01"), {"mcp_protocol_version": "1999-01-01"}, 400, -32022),
        (frame(), {"mcp_protocol_version": "1999-01-01"}, 400, -32020),
        (frame(), {"mcp_name": "quote"}, 400, -32020),
        (frame("tools/steal"), {"mcp_method": "tools/steal"}, 404, -32601),
        (b"{no json", {}, 400, -32700),
        (b"[" * 100_000, {}, 400, -32700),
        ([frame(), frame()], {}, 400, -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "tools/call"}, {}, 400, -32600),
        (frame(arguments="all"), {}, 400, -32602),
    ],
)
async def test_what_is_no_frame_of_ours(
    alice: Person, body: Any, headers: dict[str, str], status: int, code: int
) -> None:
    answer = await sent(alice, body, **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert (await alice.get("/api/tasks"), (await alice.wallet())["posted"]) == ([], 100)


async def test_what_http_refuses(market: Marketplace, alice: Person) -> None:
    assert (await sent(alice, frame(), accept="text/html")).status_code == 406
    assert (await sent(alice, frame(), content_type="text/plain")).status_code == 400
    large = await sent(alice, frame(arguments={"q": "x" * 1_100_000}))
    assert large.status_code == 413
    assert (await alice.first.get("/mcp", headers=HEADERS)).status_code == 405
    below = await alice.first.get("/mcp/.well-known/openid-configuration", headers=HEADERS)
    assert below.status_code == 404
    async with httpx.AsyncClient(base_url=market.urls[0]) as nobody:
        answer = await nobody.post("/mcp", json=frame(), headers=HEADERS)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
