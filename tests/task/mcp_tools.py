"""A real MCP server, written with the mcp library."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.task.uvicorn_server import serving


class Weather(BaseModel):
    degrees: int
    sky: str


@dataclass
class Tools:
    """A server, what its tools heard, and what is answered in its stead when a tool is called."""

    url: str = ""
    runs: Counter[str] = field(default_factory=Counter)
    keys: list[Any] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    troubles: list[Response] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)
    credentials: list[str | None] = field(default_factory=list)


def _server(tools: Tools) -> MCPServer:
    server = MCPServer("lab")

    @server.tool()
    async def shout(text: str, ctx: Context) -> str:
        tools.runs["shout"] += 1
        meta = ctx.request_context.meta
        tools.keys.append((meta or {}).get("agentbazaar/idempotencyKey"))
        return text.upper()

    @server.tool()
    def weather(city: Annotated[str, Field(min_length=2)], days: int = 1) -> Weather:
        tools.runs["weather"] += 1
        return Weather(degrees=days, sky=f"blue over {city}")

    @server.tool()
    async def slowly(ctx: Context) -> str:
        tools.runs["slowly"] += 1
        await ctx.report_progress(1, 4, "A quarter.")
        await tools.go.wait()
        return "at last"

    @server.tool()
    def fails(how: str = "said") -> str:
        tools.runs["fails"] += 1
        if how == "said":
            raise ToolError("No such city.")
        raise ValueError("the password is hunter2")

    @server.tool(structured_output=False)
    def files() -> CallToolResult:
        link = {"type": "resource_link", "name": "a.pdf", "uri": "https://papers.example/a.pdf"}
        blob = BlobResourceContents(uri="x://b", blob="dGlueQ==", mime_type="text/plain")
        return CallToolResult(
            content=[
                TextContent(type="text", text="See:"),
                ResourceLink.model_validate(link | {"mimeType": "a/pdf", "size": 7}),
                ImageContent(type="image", data="!!", mime_type="image/png"),
                EmbeddedResource(type="resource", resource=blob),
            ]
        )

    @server.tool(structured_output=False)
    def nothing() -> CallToolResult:
        return CallToolResult(content=[], structured_content={"n": 1})

    @server.tool(structured_output=False)
    def much() -> str:
        return "x" * 900_000

    return server


@contextlib.asynccontextmanager
async def tools_of(*, old: bool = False, as_json: bool = False) -> AsyncIterator[Tools]:
    """A server of tools; an old one knows the handshake with sessions alone."""
    tools = Tools()
    app = _server(tools).streamable_http_app(json_response=as_json)
    async with serving(_noting(app, tools, old=old), lifespan=True) as origin:
        tools.url = f"{origin}/mcp"
        try:
            yield tools
        finally:
            tools.go.set()


def _noting(app: ASGIApp, tools: Tools, *, old: bool) -> ASGIApp:
    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        asked = json.loads(body)
        method = asked.get("method", "")
        tools.posts.append(method)
        tools.credentials.append(Request(scope).headers.get("authorization"))
        if old and method == "server/discover":
            gone = {"code": -32601, "message": "Method not found"}
            answer = JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "error": gone})
            await answer(scope, receive, send)
            return
        if method == "tools/call" and tools.troubles:
            await tools.troubles.pop(0)(scope, receive, send)
            return
        told = False

        async def again() -> Any:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        await app(scope, again, send)

    return noted
