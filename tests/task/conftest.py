from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

from chassis.bus.envelopes import new_id
from chassis.db.database import Database
from task_svc.tables import metadata
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening

# On a busy machine a slow example is no defect.
settings.register_profile(
    "unhurried", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")


@pytest.fixture(scope="module")
async def system(stack: Stack) -> AsyncIterator[System]:
    """Registry, payment and task service in this process, and a client of theirs."""
    # What earlier tests left open on these servers for good is nothing that these books lack.
    payment = payment_service(stack, reconcile_s=3_600)
    services = registry_service(stack), payment, task_service(stack)
    async with running(*services), listening(stack, payment) as system:
        yield system


@pytest.fixture
async def database(stack: Stack) -> AsyncIterator[Database]:
    """The task service's database, as its login sees it."""
    found = Database(stack.database_url("task"), metadata, pool=1, relay_workers=1)
    yield found
    await found.engine.dispose()


@pytest.fixture
def task_id() -> str:
    return f"task-{new_id()[:10]}"
