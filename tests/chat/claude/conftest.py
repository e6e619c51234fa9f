from collections.abc import AsyncIterator

import pytest

from tests.chat.claude.asking import Asking, asking


@pytest.fixture(scope="module")
async def claude() -> AsyncIterator[Asking]:
    async with asking() as shared:
        yield shared
