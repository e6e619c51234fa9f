"""The marketplace and its doors, for all tests of the contract."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.contract_http.system import MODES, Door, Marketplace, marketplace
from tests.support.stack import Stack


@pytest.fixture(scope="module")
async def market(stack: Stack) -> AsyncIterator[Marketplace]:
    async with marketplace(stack) as market:
        yield market


@pytest.fixture(scope="module")
async def doors(market: Marketplace) -> AsyncIterator[dict[str, Door]]:
    """A gateway in each auth mode."""
    async with contextlib.AsyncExitStack() as opened:
        yield {mode: await opened.enter_async_context(market.door(mode)) for mode in MODES}


@pytest.fixture(scope="module")
async def door(market: Marketplace) -> AsyncIterator[Door]:
    """The gateway of who is asked nothing."""
    async with market.door("none") as opened:
        yield opened
