"""An MCP server of somebody's, written with the mcp library: `python crier.py PORT TOOL`."""

import sys

import uvicorn
from mcp.server import MCPServer


def cry(text: str) -> str:
    """Cries a text over the market."""
    return text.upper()


def main(port: int, tool: str) -> None:
    """Serve it."""
    server = MCPServer("crier")
    server.add_tool(cry, name=tool)
    app = server.streamable_http_app(json_response=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
