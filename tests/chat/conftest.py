from collections.abc import AsyncIterator

import pytest

from tests.chat.script import Script
from tests.chat.services import deciding, marketplace, new_skill
from tests.support.services import chat_service
from tests.support.stack import Stack, running
from tests.support.talk import Talk


@pytest.fixture(scope="module")
async def market(stack: Stack) -> AsyncIterator[Talk]:
    """Registry, payment and task service in this process; the test runs the chat service."""
    async with marketplace(stack) as talk:
        yield talk


@pytest.fixture(scope="module")
async def talk(stack: Stack, market: Talk) -> AsyncIterator[Talk]:
    """All four services in this process, the chat service in two replicas."""
    async with running(chat_service(stack), chat_service(stack)):
        yield market


@pytest.fixture(scope="module")
async def script(stack: Stack, market: Talk) -> AsyncIterator[Script]:
    """All four services, the chat service in two replicas that decide as the test writes."""
    script = Script(market)
    async with running(deciding(stack, script), deciding(stack, script)):
        yield script


@pytest.fixture
def skill() -> str:
    return new_skill()
