"""The MCP door: the protocol's own kit for each revision, and fastmcp's client."""

from pathlib import Path

from tests.conformance.kits import HERE, RESULTS, node_with, python_with, run

KIT = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
NODE = "node@22"
"""What that needs: fs.globSync."""
REVISIONS = ("2025-11-25", "2026-07-28")
FASTMCP = "fastmcp==4.2.3"


async def kit(folder: Path, url: str) -> dict[str, bool]:
    """What each revision requires of a server, but for what mcp-*.yml names."""
    env = await node_with(folder / "mcp", NODE, KIT)
    if env is None:
        return {KIT: False}
    program = folder / "mcp" / "node_modules" / ".bin" / "conformance"
    came = {}
    for one in REVISIONS:
        known = ("--expected-failures", HERE / f"mcp-{one}.yml", "-o", RESULTS)
        asked = (program, "server", "--url", f"{url}/mcp", "--requirements", one, *known)
        came[f"MCP conformance, {one}"] = await run(*asked, env=env)
    return came


async def fastmcp(folder: Path, url: str, key: str, skill: str) -> dict[str, bool]:
    """An agent is found, called and paid by fastmcp's client."""
    bin_ = await python_with(folder / "fastmcp", FASTMCP)
    if bin_ is None:
        return {FASTMCP: False}
    # Without this folder in its path: modules here have names of packages.
    asked = (bin_ / "python", "-P", HERE / "fastmcp_client.py", f"{url}/mcp", key, skill)
    return {FASTMCP: await run(*asked, key=key)}
