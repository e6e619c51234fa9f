"""Real HTTP for the agents' tests."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings

from tests.agents.serving import Serve, served

# How long an example takes says nothing on a shared machine.
settings.register_profile("without-deadline", deadline=None)
settings.load_profile("without-deadline")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(app)` starts the app and gives a client for it; all stop with the test."""
    with ExitStack() as running:
        yield lambda app: running.enter_context(served(app))


@pytest.fixture(scope="module")
def serve_for_module() -> Iterator[Serve]:
    """As `serve`, for apps that the tests of a module share."""
    with ExitStack() as running:
        yield lambda app: running.enter_context(served(app))
