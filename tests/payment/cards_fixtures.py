"""Fixtures of the card tests; a test module names this one as its plugin."""

from collections.abc import AsyncIterator

import pytest

from tests.payment.cards_system import CardSystem, card_system


@pytest.fixture(scope="session")
async def card_servers() -> AsyncIterator[CardSystem]:
    async with card_system() as system:
        yield system


@pytest.fixture
async def cards(card_servers: CardSystem) -> CardSystem:
    """The system with a double that behaves, whatever the test before had it do."""
    double = card_servers.double
    double.script.clear()
    double.problems.clear()
    double.ends, double.declines, double.holding = "succeeded", None, None
    double.remembers_script, double.witness = False, None
    double.works_before_it_breaks, double.page_length = False, 100
    double.refund_ends = "succeeded"
    return card_servers
