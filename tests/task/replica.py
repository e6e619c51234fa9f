"""A task service as a process of its own, to be killed."""

import contextlib
from collections.abc import AsyncIterator

from tests.support.polling import eventually
from tests.support.processes import ServiceProcess, process
from tests.support.stack import Stack

SOON = {
    "LEASE_S": "1",
    "SWEEP_S": "0.2",
    "AGENT_RETRY_S": "0.01",
    "DEFAULT_BUDGET": "10",
    "AGENT_HOSTS": "127.0.0.1",
}


@contextlib.asynccontextmanager
async def replica(stack: Stack, **settings: str) -> AsyncIterator[ServiceProcess]:
    """`python -m task_svc`, ready to work; ended at the end if it still runs."""
    where = {"DATABASE_URL": stack.database_url("task"), "NATS_URL": stack.nats_url}
    async with process("task_svc", **(where | SOON | settings)) as service:
        await eventually(service.is_ready)
        yield service
