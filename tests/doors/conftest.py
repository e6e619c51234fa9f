"""The doors' marketplace, and two people in it."""

from collections.abc import AsyncIterator

import pytest

from tests.complaints.system import Marketplace, Person, marketplace


@pytest.fixture(scope="package")
async def market() -> AsyncIterator[Marketplace]:
    """The four services in this process, behind two gateways that ask for keys."""
    async with marketplace() as market:
        yield market


@pytest.fixture
async def alice(market: Marketplace) -> Person:
    """Somebody with 100 BazaarBucks."""
    return await market.person()


@pytest.fixture
async def bob(market: Marketplace) -> Person:
    """Somebody else with 100 BazaarBucks."""
    return await market.person()
