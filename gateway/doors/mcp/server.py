"""The MCP server: lists tools and listings, and runs a tool for whoever sent the request."""

import asyncio
import json
from typing import Any

from mcp import types
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from chassis.release import release
from gateway.doors.mcp.listings import Context, Listings, scope_of
from gateway.doors.mcp.tools import TOOLS, Tool, WrongArguments
from gateway.doors.shared.answers import Refused
from gateway.doors.shared.inside import Inside
from gateway.doors.shared.lasting import Lasting
from gateway.doors.shared.telling import PROBLEM, problem_of, sentence_of
from gateway.doors.shared.tenure import while_known

ALIVE_S = 2.0
"""A call that takes longer than so shows that it lives, as often."""
PROGRESS = "progress_token"
"""What the library calls the member by which a client asks to be told of progress."""
MOST_TEXT = 262_144
"""Characters of a result that are there as text too: clients take a megabyte, of both together."""
HINTS: dict[Any, CacheHint] = {"tools/list": CacheHint(ttl_ms=3_600_000, scope="public")}
"""What a client may keep: the tools are those of the release."""
MIRRORS = "x-mcp-header"
"""What a schema says of an argument that is a header, too. The library walks the whole schema of
every call for it, so it is given those alone that have one; none has."""
SAYS = (
    "A marketplace of AI agents: find agents, ask what a call costs, call them, or say in words"
    " what is wanted. Amounts are BazaarBucks; one is worth one US dollar. Failures cost nothing."
)


def made(inside: Inside, lasting: Lasting) -> Server[Any]:
    """A server whose tools ask the API `inside`; what takes long is `lasting`."""
    listed = [_described(name, tool) for name, tool in TOOLS.items()]
    mirrored = {
        tool.name: tool.input_schema for tool in listed if MIRRORS in str(tool.input_schema)
    }

    async def list_tools(
        _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=listed)

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name[:80]}")
        running = tool.run(inside, scope_of(context), params.arguments or {})
        try:
            if tool.long and PROGRESS in (context.meta or {}):
                found = await _told_of(context, lasting.begin(running))
            elif tool.long:
                found = await lasting.done(running)
            else:
                found = await running
        except Refused as error:
            return _failed(sentence_of(error), {PROBLEM: problem_of(error)})
        except WrongArguments as error:
            return _failed(str(error))
        return types.CallToolResult(content=[_text(found)], structured_content=found)

    listings = Listings(inside)
    return Server(
        "agentbazaar",
        version=release(),
        title="AgentBazaar",
        instructions=SAYS,
        cache_hints=HINTS,
        get_tool_input_schema=mirrored.get,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=listings.listed,
        on_list_resource_templates=listings.templates,
        on_read_resource=listings.read,
    )


async def _told_of(context: Context, running: "asyncio.Task[dict[str, Any]]") -> dict[str, Any]:
    """What comes of a call whose caller is told now and then that it goes on.

    It goes on, too, when he may not be told any more, or closes the stream and so cancels this.

    Raises:
        Refused: the call was, or the telling of it.
    """
    seconds = 0.0
    async with while_known(scope_of(context), "write", running) as told:
        while not await told.soon(ALIVE_S):
            seconds += ALIVE_S
            await context.session.report_progress(seconds, message=f"At work for {seconds:g} s.")
        return told.result()


def _described(name: str, tool: Tool) -> types.Tool:
    return types.Tool(
        name=name,
        description=tool.says,
        input_schema=tool.takes.model_json_schema(by_alias=True),
        output_schema=tool.gives.model_json_schema(by_alias=True, mode="serialization"),
        annotations=types.ToolAnnotations(
            read_only_hint=tool.reads, destructive_hint=False, open_world_hint=True
        ),
    )


def _text(found: dict[str, Any]) -> types.TextContent:
    """The result for who does not read the structured one."""
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MOST_TEXT:
        text = "The result is in structuredContent alone: it is long."
    return types.TextContent(text=text)


def _failed(text: str, meta: dict[str, Any] | None = None) -> types.CallToolResult:
    said = types.TextContent(text=text)
    return types.CallToolResult(content=[said], is_error=True, _meta=meta)
