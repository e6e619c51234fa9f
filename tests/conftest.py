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
from pathlib import Path
from typing import Any

import pytest

from chassis.service import Service
from tests.support.stack import Stack, new_stack

SHARING = ("e2e", "complaints")
"""Folders whose tests share one running system."""
LONG = ("contract_http/test_the_document.py", "e2e", "complaints", "reconcile")
"""What takes longest begins first: nobody waits for it at the end."""
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
"""The browser that the console is tested in; None when this machine has none."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say so when the pages were tested in no browser."""
    if CHROMIUM is None:
        terminalreporter.write_line(
            "There is no Chromium here: the gateway's pages were tested in NO BROWSER"
            " (tests/e2e/test_console.py was left out). Debian: apt install chromium;"
            " elsewhere CHROMIUM=/path/to/it."
        )


# First of all: xdist's own hook writes the groups into the node ids, and reads them only once.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one worker, and those that share a system in one as well."""
    for item in items:
        place = item.path.relative_to(Path(__file__).parent)
        group = place.parts[0] if place.parts[0] in SHARING else str(place)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: _begins(item.path.relative_to(Path(__file__).parent)))


def _begins(place: Path) -> int:
    named = (number for number, name in enumerate(LONG) if place.is_relative_to(name))
    return next(named, len(LONG))


def pytest_collection_finish() -> None:
    """Take thousands of tests, which stay to the end, out of every look for garbage."""
    gc.freeze()


GAVE_UP: list[str] = []
"""Which services in this process gave up their bus for good, and the tests that started them."""


@pytest.fixture(scope="session", autouse=True)
def process_goes_on() -> Iterator[None]:
    """A service that gives up ends its process; here that would be all the other tests' too."""
    ends, own, start = os._exit, os.getpid(), Service.start
    begun: list[tuple[Service, str]] = []

    def started(service: Service) -> Coroutine[Any, Any, None]:
        begun.append((service, os.environ.get("PYTEST_CURRENT_TEST", "?")))
        return start(service)

    def note(status: int) -> None:
        if os.getpid() != own:
            ends(status)
        service = sys._getframe(1).f_locals.get("self")
        test = next((test for known, test in begun if known is service), "nobody")
        GAVE_UP.append(f"{getattr(service, 'name', '?')}, started by {test}")

    Service.start = started  # type: ignore[assignment, method-assign]
    os._exit = note  # type: ignore[assignment]
    yield
    os._exit, Service.start = ends, start  # type: ignore[method-assign]
    for where in GAVE_UP:
        warnings.warn(f"a test left a service that nobody stopped:\n{where}", stacklevel=1)


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    """The servers that most tests share."""
    async with new_stack() as shared:
        yield shared
