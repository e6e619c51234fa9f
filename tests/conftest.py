"""A real PostgreSQL and a real NATS for the whole run, migrated and declared as in production.

Tests keep apart by account and by ids, never by cleaning up: what a test leaves behind is what a
busy system would have lying about.
"""

import gc
import os
import shutil
import sys
import warnings
from collections.abc import AsyncIterator, Coroutine, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import alembic  # noqa: F401  (before the chassis, that hides it from who only looks for it)
import pytest
import uvloop
from nats.aio.client import Client

from chassis.service import Service
from tests.support.stack import Stack, new_stack

gc.disable()  # While tests are collected all that is made stays: looking through it finds nothing.
SHARING = ("e2e", "complaints", "doors", "machine")
"""Folders whose tests share one running system."""
LONG = (
    "contract_http/test_the_document.py",
    "e2e",
    "complaints",
    "doors",
    "reconcile",
    "local/test_supervisor.py",
    "task/test_task_outages.py",
    "payment/test_books_stress.py",
    "chat/test_crash_points.py",
    "chat/test_crashes.py",
    "payment/test_pushes.py",
)
"""What takes longest begins first, or waits most: nobody waits for it at the end.

Among groups of as many tests, that is: xdist begins with those of most tests, and it is left to do
so. All of these at once are more than two processors serve in time.
"""
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
"""The browser that the console is tested in; None when this machine has none."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out: a browser that is not there, and the kits outside for the doors."""
    if CHROMIUM is None:
        terminalreporter.write_line(
            "There is no Chromium here: the gateway's pages were tested in NO BROWSER"
            " (tests/e2e/test_console.py was left out). Debian: apt install chromium;"
            " elsewhere CHROMIUM=/path/to/it."
        )
    passed = terminalreporter.getreports("passed")
    if any(report.nodeid.startswith("tests/doors/") for report in passed):
        here = "" if shutil.which("npm") else ", which needs npm, and there is none here"
        terminalreporter.write_line(
            "The kits of npm (@modelcontextprotocol/conformance, @ag-ui/client) were LEFT OUT of"
            f" the doors' tests: make conformance runs them{here}."
        )


# First of all: xdist's own hook writes the groups into the node ids, and reads them only once.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one worker, and those that share a system in one as well."""
    for item in items:
        item.add_marker(_place(item.path)[1])
    items.sort(key=lambda item: _place(item.path)[0])


@cache  # Thousands of tests are in some hundred files.
def _place(path: Path) -> tuple[int, pytest.MarkDecorator]:
    """When a file begins, and whose worker it shares."""
    place = path.relative_to(Path(__file__).parent)
    group = place.parts[0] if place.parts[0] in SHARING else str(place)
    named = (number for number, name in enumerate(LONG) if place.is_relative_to(name))
    return next(named, len(LONG)), pytest.mark.xdist_group(group)


def pytest_collection_finish() -> None:
    """Take thousands of tests, which stay to the end, out of every look for garbage.

    Looks are as rare as in the services' own processes (`chassis.process`).
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


LEFT_BEHIND: list[str] = []
"""Which services gave up their bus, and which clients nobody closed; and the tests they are of."""


CLIENTS: list[tuple[Client, str]] = []
"""All that were connected in this process, and by which tests."""


def _test() -> str:
    return os.environ.get("PYTEST_CURRENT_TEST", "?")


@pytest.fixture(scope="session")
def event_loop_policy() -> uvloop.EventLoopPolicy:
    """The loop that the services run on (`chassis.process`)."""
    return uvloop.EventLoopPolicy()


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """What a test starts it stops: a client or service that is left goes on beside all others.

    A service that gives up ends its process; here that would be all the other tests' too.
    """
    ends, own, start, connect = os._exit, os.getpid(), Service.start, Client.connect
    begun: list[tuple[Service, str]] = []

    def started(service: Service) -> Coroutine[Any, Any, None]:
        begun.append((service, _test()))
        return start(service)

    def connected(client: Client, *given: Any, **options: Any) -> Coroutine[Any, Any, None]:
        CLIENTS.append((client, f"{options.get('name')}, connected by {_test()}"))
        return connect(client, *given, **options)

    def note(status: int) -> None:
        if os.getpid() != own:
            ends(status)
        service = sys._getframe(1).f_locals.get("self")
        test = next((test for known, test in begun if known is service), "nobody")
        LEFT_BEHIND.append(f"{getattr(service, 'name', '?')}, started by {test}")

    Service.start, Client.connect = started, connected  # type: ignore[assignment, method-assign]
    os._exit = note  # type: ignore[assignment]
    yield
    os._exit, Service.start, Client.connect = ends, start, connect  # type: ignore[method-assign]
    LEFT_BEHIND.extend(whose for client, whose in CLIENTS if _goes_on(client))
    for what in LEFT_BEHIND:
        warnings.warn(f"a test left behind:\n{what}", stacklevel=1)


@pytest.fixture(scope="session", autouse=True)
async def nobody_looks_for_a_bus_that_is_gone() -> AsyncIterator[None]:
    """A client that looks for its server swallows a cancellation: the loop would wait for it."""
    yield
    for client, _ in CLIENTS:
        client._server_pool.clear()  # Then it gives up at its next look.


def _goes_on(client: Client) -> bool:
    """Whether it is connected, or tries to be; one that never was and tries no more is none."""
    return not client.is_closed and (client.is_connected or client.is_reconnecting)


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    """The servers that most tests share."""
    async with new_stack() as shared:
        yield shared
