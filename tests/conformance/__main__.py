"""`make conformance`: a marketplace in this process, and the kits outside against its doors.

The kits are installed for the run, at the versions below. Those of npm are left out, and the
summary says so, where there is no npm.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import venv
from pathlib import Path
from string import Template

from chassis.bus.envelopes import new_id
from tests.complaints.system import marketplace
from tests.conformance import machine
from tests.support.gateways import gateway_settings, serving
from tests.support.scripted_agent import answers

HERE = Path(__file__).parent
PROOF = "a2a-proof==0.16.0"
MCP = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
NODE = "node@22"
"""What that needs: fs.globSync."""
REVISIONS = ("2025-11-25", "2026-07-28")
WAIT_S = 300.0
RESULTS = Path(".bazaar") / "conformance"
"""Where the kit of MCP leaves what it saw, check by check."""


def say(text: str) -> None:
    """Tell whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def run(*argv: str | Path, env: dict[str, str] | None = None) -> bool:
    """Run a command for at most `WAIT_S`; whether it succeeded."""
    say(" ".join(map(str, ("$", *argv))))
    process = await asyncio.create_subprocess_exec(*argv, env=os.environ | (env or {}))
    try:
        async with asyncio.timeout(WAIT_S):
            return await process.wait() == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        return False


async def a2a(folder: Path, url: str, key: str, skill: str) -> dict[str, bool]:
    """The contract in a2a.yml, by both bindings."""
    await asyncio.to_thread(venv.create, folder / "proof", with_pip=True)
    bin_ = folder / "proof" / "bin"
    if not await run(bin_ / "pip", "install", "--quiet", PROOF):
        return {PROOF: False}
    came = {}
    for transport in ("JSONRPC", "HTTP+JSON"):
        contract = Template((HERE / "a2a.yml").read_text()).substitute(
            URL=url, TRANSPORT=transport, KEY=key, SKILL=skill
        )
        config = folder / f"a2a-{transport[:4]}.yaml"
        config.write_text(contract)
        came[f"a2a-proof, {transport}"] = await run(bin_ / "a2a-proof", "run", config)
    return came


async def mcp(folder: Path, url: str) -> dict[str, bool]:
    """What each revision requires of a server, but for what mcp-*.yml names."""
    if not await run("npm", "install", "--silent", "--prefix", folder, NODE, MCP):
        return {MCP: False}
    bin_ = folder / "node_modules" / ".bin"
    env = {"PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
    kit = (bin_ / "conformance", "server", "--url", f"{url}/mcp")
    came = {}
    for one in REVISIONS:
        known = ("--expected-failures", HERE / f"mcp-{one}.yml", "-o", RESULTS)
        came[f"MCP conformance, {one}"] = await run(*kit, "--requirements", one, *known, env=env)
    return came


async def main() -> int:
    """Try all that can be had; 1 when something fails that is not known to."""
    skill = f"kit{new_id()[:8]}"
    with tempfile.TemporaryDirectory() as place:
        async with marketplace() as market:
            person = await market.person()
            async with market.agent(answers("done by the kit"), skills=[skill]):
                key = person.first.headers["authorization"].removeprefix("Bearer ")
                came = await a2a(Path(place), market.urls[0], key, skill)
                if shutil.which("npm"):
                    with serving(gateway_settings(market.stack.nats_url)) as open_to_all:
                        came |= await mcp(Path(place), open_to_all.url)
        came |= await machine.kits(Path(place), run)
    for kit, well in came.items():
        say(f"{'passed' if well else 'FAILED'}: {kit}")
    if not shutil.which("npm"):
        say("LEFT OUT: MCP conformance, there is no npm here.")
    return 0 if all(came.values()) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
