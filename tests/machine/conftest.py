"""One marketplace of machine payments for this folder; its libraries load as the service has it."""

from collections.abc import AsyncIterator

import pytest

from payment_svc.machine.loading import as_deep_as_before
from tests.support.stack import Stack

with as_deep_as_before():
    from tests.machine.system import Market, market


@pytest.fixture(scope="package")
async def all_of_it(stack: Stack) -> AsyncIterator[Market]:
    """The services with a gateway and the doubles, for all tests of the folder."""
    async with market(stack) as found:
        yield found


@pytest.fixture
async def shop(all_of_it: Market) -> AsyncIterator[Market]:
    """The market with doubles that behave; afterwards the books must be right."""
    all_of_it.facilitator.script.clear()
    all_of_it.facilitator.asked.clear()
    all_of_it.facilitator.node = "well"
    yield all_of_it
    await all_of_it.right()
