"""fastmcp's client at the MCP door; run by a Python that has fastmcp: URL, key and skill."""

import asyncio
import sys
from importlib import import_module
from typing import Any


async def main(url: str, key: str, skill: str) -> None:
    """Find the agent with a skill, call it twice with one key, and see what it cost."""
    fastmcp: Any = import_module("fastmcp")
    async with fastmcp.Client(url, auth=key) as client:
        tools = {tool.name for tool in await client.list_tools()}
        assert {"search_agents", "invoke_agent", "get_receipt", "wallet"} <= tools, tools
        before = (await client.call_tool("wallet", {})).structured_content
        found = (await client.call_tool("search_agents", {"skill": skill})).structured_content
        order = {
            "agentId": found["agents"][0]["id"],
            "payload": {"text": "hello"},
            "idempotencyKey": f"fastmcp-{skill}",
        }
        said = [(await client.call_tool("invoke_agent", order)).structured_content for _ in "12"]
        assert said[0] == said[1], said
        receipt = await client.call_tool("get_receipt", {"taskId": said[0]["taskId"]})
        assert receipt.structured_content["total"] == said[0]["cost"], receipt
        wrong = await client.call_tool("invoke_agent", {"agentId": "no"}, raise_on_error=False)
        assert wrong.is_error, wrong
        assert await client.list_resources()
        sys.stdout.write(f"paid {said[0]['cost']} of {before['available']}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
