"""What to paste into programs that call tools, so that they find this gateway."""

import json
import os

import typer
from dotenv import dotenv_values

from cli import config
from cli.output import say
from deploy.local.settings import ENV_FILE

KEY = "<your key: bazaar keys make you --scopes read,write>"


def mcp(context: typer.Context) -> None:
    """Print the entry for the settings of a client of MCP; with the key, where there is one."""
    found = config.of(context)
    server: dict[str, object] = {"type": "http", "url": f"{found.url}/mcp"}
    if key := found.key or (KEY if _asks_for_keys() else None):
        server["headers"] = {"Authorization": f"Bearer {key}"}
    entry = {"mcpServers": {"agentbazaar": server}}
    say(json.dumps(entry, indent=2))


def _asks_for_keys() -> bool:
    """Whether the stack of this machine does, by the settings that it is started with."""
    mode = os.environ.get("AUTH_MODE") or dotenv_values(ENV_FILE).get("AUTH_MODE")
    return (mode or "none") != "none"
