"""An MCP server of somebody's, by the mcp library: `python crier.py LISTEN PORT TOOL`."""

import sys

import uvicorn
from mcp.server import MCPServer


def cry(text: str) -> str:
    """Cries a text over the market."""
    return text.upper()


def main(listen: str, port: int, tool: str) -> None:
    """Serve it; by which names it is asked, the library checks only where it listens to itself."""
    server = MCPServer("crier")
    server.add_tool(cry, name=tool)
    app = server.streamable_http_app(json_response=True, host=listen)
    uvicorn.run(app, host=listen, port=port, log_level="critical")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
