"""The folder's marketplace, and two people in it."""

from collections.abc import AsyncIterator

import pytest

from tests.complaints.system import Marketplace, Person, marketplace
from tests.doubles.anthropic import market as scripts


@pytest.fixture(scope="package")
async def running_market() -> AsyncIterator[Marketplace]:
    async with marketplace() as market:
        yield market


@pytest.fixture
def market(running_market: Marketplace) -> Marketplace:
    """The marketplace, with doubles that behave, whatever the test before had them do."""
    running_market.claude.script = scripts.script
    stripe = running_market.stripe
    stripe.script.clear()
    stripe.works_before_it_breaks = stripe.remembers_script = False
    return running_market


@pytest.fixture
async def alice(market: Marketplace) -> Person:
    """Somebody with 100 BazaarBucks."""
    return await market.person()


@pytest.fixture
async def bob(market: Marketplace) -> Person:
    """Somebody else with 100 BazaarBucks."""
    return await market.person()
