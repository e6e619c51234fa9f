"""One running system for nearly all tests, and what they use to talk to it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext

from tests.conftest import CHROMIUM
from tests.e2e import on_compose, on_local
from tests.e2e.market import Market
from tests.e2e.powers import Powers
from tests.e2e.system import MODE, WEBHOOK_SECRET, System, given

CLIENT = Path(__file__).with_name("client")
SETTINGS = {
    "UI_DIST": str(CLIENT),
    "WALLET_GRANT": "1000",
    "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    # Sooner than by default, so that nobody has to wait for it here.
    # (In containers that share two processors, eight calls at once are not answered in five.)
    "AGENT_TIMEOUT_S": "15" if MODE == "compose" else "10",
    "PROBE_EVERY_S": "1",
    "LEASE_S": "3",
    "SWEEP_S": "1",
    "REFUND_GRACE_S": "0.5",
    "PAYOUT_DELAY_S": "1",
    "PAYOUT_LEAST": "0.01",
}
NEED_POWERS = ("test_faults.py", "test_replicas.py", "test_stop_and_start.py", "test_client.py")
NEED_A_BROWSER = ("test_console.py", "test_console_in_trouble.py")

NO_ENGINE = MODE == "compose" and not on_compose.engine_answers()

collect_ignore = [
    *(NEED_POWERS if MODE == "given" else ()),
    *(NEED_A_BROWSER if CHROMIUM is None else ()),
]
collect_ignore_glob = ["test_*.py"] if NO_ENGINE else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say so when there is nothing to run on."""
    if NO_ENGINE:
        terminalreporter.write_line(
            "No Docker Engine answers (`docker info`, `docker compose version`):"
            " nothing was tested on docker compose."
        )


@pytest.fixture(scope="package")
async def powers() -> AsyncIterator[Powers]:
    """Power over the shared system; not with `BAZAAR_E2E=given`."""
    start = on_compose.compose if MODE == "compose" else on_local.local
    async with start(**SETTINGS) as runner:
        await runner.is_up()
        yield runner


@pytest.fixture(scope="package")
def system(request: pytest.FixtureRequest) -> System:
    """The shared system. Tests keep apart by their own agents, tasks and words."""
    if MODE == "given":
        return given(os.environ)
    found: System = request.getfixturevalue("powers").system()
    return found


@pytest.fixture(scope="package")
async def http(system: System) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client for the shared system."""
    async with system.client() as client:
        yield client


@pytest.fixture
async def bus(system: System) -> AsyncIterator[Client]:
    """A NATS connection to the shared system."""
    async with system.bus() as client:
        yield client


@pytest.fixture
def js(bus: Client) -> JetStreamContext:
    """The streams of the shared system."""
    return bus.jetstream()


@pytest.fixture
async def market(system: System, bus: Client) -> AsyncIterator[Market]:
    """Agents of the test's own, listed in the shared system."""
    async with Market(bus, system.agent_host) as own:
        yield own
