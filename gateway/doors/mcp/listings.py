"""The listings as resources: whatever is on the market, for who attaches it to a conversation."""

import json
from typing import Any

from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from starlette.requests import Request
from starlette.types import Scope

from gateway.doors.shared.answers import Refused, place
from gateway.doors.shared.inside import Inside
from gateway.doors.shared.telling import sentence_of

Context = ServerRequestContext[Any, Any]

PREFIX = "agentbazaar://agents/"
JSON = "application/json"
TEMPLATE = types.ResourceTemplate(uri_template=f"{PREFIX}{{id}}", name="listing", mime_type=JSON)


def scope_of(context: Context) -> Scope:
    """The HTTP request that a message came with."""
    if not isinstance(context.request, Request):
        raise TypeError("MCP is spoken over HTTP here, which brings a request")
    return context.request.scope


class Listings:
    """The handlers of the resource methods."""

    def __init__(self, inside: Inside) -> None:
        """Ask the API `inside`."""
        self._inside = inside

    async def listed(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """A page of the agents."""
        query = {"cursor": params.cursor if params else None}
        try:
            said = await self._inside.ask(scope_of(context), "GET", "/api/agents", query=query)
        except Refused as error:
            raise MCPError(types.INVALID_PARAMS, sentence_of(error)) from None
        resources = [
            types.Resource(
                uri=f"{PREFIX}{agent['id']}",
                name=agent["name"],
                description=agent["description"],
                mime_type=JSON,
            )
            for agent in said.json()
        ]
        return types.ListResourcesResult(resources=resources, next_cursor=said.next_cursor)

    async def templates(
        self, _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """How the address of a listing is made."""
        return types.ListResourceTemplatesResult(resource_templates=[TEMPLATE])

    async def read(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """One agent, as GET /api/agents/{id} shows it."""
        uri = str(params.uri)
        try:
            path = place("/api/agents/{}", uri.removeprefix(PREFIX))
            agent = await self._inside.get(scope_of(context), path)
        except Refused as error:
            raise MCPError(types.INVALID_PARAMS, sentence_of(error), {"uri": uri[:200]}) from None
        text = json.dumps(agent, ensure_ascii=False)
        content = types.TextResourceContents(uri=uri, mime_type=JSON, text=text)
        return types.ReadResourceResult(contents=[content])
