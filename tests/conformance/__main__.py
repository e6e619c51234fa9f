"""`make conformance`: a marketplace in this process, and the kits outside against its doors.

The kits are installed for the run, at the versions that are named in this folder. Those of npm are
left out, and the summary says so, where there is no npm.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from chassis.bus.envelopes import new_id
from tests.complaints.system import marketplace
from tests.conformance import a2a, agui, machine, mcp
from tests.conformance.kits import say
from tests.support.gateways import gateway_settings, serving
from tests.support.scripted_agent import answers


async def tried(folder: Path, only: set[str]) -> dict[str, bool]:
    """What came of each kit, or of those that are named."""
    skill = f"kit{new_id()[:8]}"
    came: dict[str, bool] = {}

    def wanted(name: str, *, npm: bool = False) -> bool:
        if only and name not in only:
            return False
        if npm and not shutil.which("npm"):
            say(f"LEFT OUT: {name}, there is no npm here.")
            return False
        return True

    async with marketplace() as market:
        person, url = await market.person(), market.urls[0]
        key = person.first.headers["authorization"].removeprefix("Bearer ")
        with serving(gateway_settings(market.stack.nats_url)) as open_to_all:
            kits: tuple[tuple[str, bool, Callable[[], Awaitable[dict[str, bool]]]], ...] = (
                ("a2a-proof", False, lambda: a2a.proof(folder, url, key, skill)),
                ("fastmcp", False, lambda: mcp.fastmcp(folder, url, key, skill)),
                ("ag-ui-validate", False, lambda: agui.validate(folder, url, key)),
                ("ag-ui-client", True, lambda: agui.client(folder, url, key, skill)),
                ("a2a.tck", False, lambda: a2a.tck(folder, open_to_all.url)),
                ("mcp", True, lambda: mcp.kit(folder, open_to_all.url)),
                ("x402", False, lambda: machine.kits(folder)),
            )
            async with market.agent(answers("done by the kit", cost="0.1"), skills=[skill]):
                for name, npm, kit in kits:
                    if wanted(name, npm=npm):
                        came |= await kit()
    return came


async def main(only: set[str]) -> int:
    """Try all that can be had; 1 when something fails that is not known to."""
    with tempfile.TemporaryDirectory() as place:
        came = await tried(Path(place), only)
    for kit, well in came.items():
        say(f"{'passed' if well else 'FAILED'}: {kit}")
    return 0 if came and all(came.values()) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(set(sys.argv[1:]))))
