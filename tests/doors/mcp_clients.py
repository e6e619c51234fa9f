"""The mcp library's own client, as somebody's at one of the gateways."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.types import CallToolResult

from tests.complaints.system import Person

MODES = ("auto", "legacy")
"""Requests on their own (2026-07-28), and with the handshake of the revisions before."""


@asynccontextmanager
async def client_of(person: Person, number: int = 0, mode: str = "auto") -> AsyncIterator[Client]:
    http = person.at(number)
    headers = {"authorization": http.headers["authorization"]}
    async with create_mcp_http_client(headers=headers) as ours:
        url = str(http.base_url.join("/mcp"))
        async with Client(streamable_http_client(url, http_client=ours), mode=mode) as client:
            yield client


async def called(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured result of a call that must succeed."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def refused(client: Client, tool: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """The words of a call that must fail, and the problem for programs."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.structured_content
    meta: dict[str, Any] = dict(result.meta or {})
    return words_of(result), meta.get("agentbazaar/problem", {})


def words_of(result: CallToolResult) -> str:
    """What a result says to who reads text."""
    [content] = result.content
    assert content.type == "text"
    return content.text
