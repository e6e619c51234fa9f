"""Every service replaced and killed under load, with figures: `make deploy-demo`.

`BAZAAR_E2E=compose` does it on docker compose, else it is done on the embedded stack.
"""

import asyncio
import sys
import time

import httpx

from contracts.users import CONTEXTS
from tests.e2e import on_compose, on_local
from tests.e2e.conftest import SETTINGS
from tests.e2e.deploys import Load, load, nothing_lost
from tests.e2e.powers import Powers
from tests.e2e.system import MODE
from tests.support.polling import insist

ROW = "{:<14} {:<8} {:>8} {:>9} {:>8} {:>10} {:>12}"
SETTLED_S = 120.0
NAMES = (*(f"{context}_svc" for context in CONTEXTS), "gateway")


async def demo(powers: Powers) -> None:
    """Print a row for every service and way to end it, and what the books say in the end."""
    system = powers.system()
    say(
        ROW.format(
            "service", "ended by", "requests", "succeeded", "refused", "no answer", "back after"
        )
    )
    async with load(system) as going:
        await going.goes_on()
        for name in NAMES:
            for how, end in (("SIGTERM", powers.replace), ("SIGKILL", powers.kill)):
                before, began = len(going.outcomes), time.monotonic()
                await end(name)
                await going.goes_on()
                took = time.monotonic() - began
                say(ROW.format(name, how, *counts(going, before), f"{took:.1f} s"))
        for context in CONTEXTS:
            async with powers.second(context):
                before, began = len(going.outcomes), time.monotonic()
                await powers.replace(f"{context}_svc")
                await going.goes_on()
                took = time.monotonic() - began
                say(ROW.format(f"{context}_svc", "of two", *counts(going, before), f"{took:.1f} s"))
    async with system.client() as http, system.bus() as bus:
        js = bus.jetstream()
        accepted = going.accepted()
        await insist(lambda: nothing_lost(http, js, powers, accepted), SETTLED_S)
    say(f"{len(accepted)} requests were accepted; each is done and paid for once, the books agree.")


def counts(going: Load, since: int) -> tuple[int, int, int, int]:
    """Requests since one, and how many of them succeeded, were refused, got no answer."""
    statuses = [outcome.status for outcome in going.all()[since:]]
    good, silent = statuses.count(httpx.codes.OK), statuses.count(None)
    return len(statuses), good, len(statuses) - good - silent, silent


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main() -> None:
    """Start a system, and show it."""
    start = on_compose.compose if MODE == "compose" else on_local.local
    async with start(**SETTINGS) as powers:
        await powers.is_up()
        await demo(powers)


if __name__ == "__main__":
    asyncio.run(main())
