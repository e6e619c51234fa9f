"""`make mcp`: what to paste into a client of MCP, for the gateway of `make up`."""

import json
import os
import sys

from chassis.observability.terminal import plain
from deploy.local.errors import StartError
from deploy.local.settings import load

KEY = "<your key: make key ACCOUNT=you SCOPES=read,write>"


def pasted(port: int, key: str | None) -> str:
    """The entry of a client's settings; `key` is an API key, where the gateway wants one."""
    server: dict[str, object] = {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"}
    if key is not None:
        server["headers"] = {"Authorization": f"Bearer {key}"}
    return json.dumps({"mcpServers": {"agentbazaar": server}}, indent=2)


def main() -> int:
    """Print it; with a header for the key when KEY is set, or callers have to show one."""
    try:
        settings = load()
    except StartError as error:
        print(plain(str(error)), file=sys.stderr)
        return 1
    open_to_all = os.environ.get("AUTH_MODE", "none") in {"", "none"}
    key = os.environ.get("KEY") or (None if open_to_all else KEY)
    print(pasted(settings.gateway_port, key))
    return 0


if __name__ == "__main__":
    sys.exit(main())
