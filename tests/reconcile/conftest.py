from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from chassis.service import Service
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening


@dataclass(frozen=True)
class Parts:
    """Services that ask nobody by themselves; the test has them ask."""

    system: System
    registry: Service
    payment: Service
    task: Service


@pytest.fixture(scope="module")
async def parts(stack: Stack) -> AsyncIterator[Parts]:
    seldom: dict[str, Any] = {"reconcile_s": 86_400}
    registry = registry_service(stack, **seldom)
    payment, task = payment_service(stack, **seldom), task_service(stack, **seldom)
    async with running(registry, payment, task), listening(stack, payment) as system:
        yield Parts(system, registry, payment, task)
