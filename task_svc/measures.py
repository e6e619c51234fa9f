"""What the task service has Prometheus know: the steps in hand."""

from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncConnection

from task_svc import store_measures

STEPS = Gauge("bazaar_steps_open", "Steps that could be run now or are, up to 10000", ["status"])


async def read_steps(conn: AsyncConnection) -> None:
    """Set the gauges."""
    found = await store_measures.open_steps(conn)
    for status in ("pending", "in_progress"):
        STEPS.labels(status).set(found.get(status, 0))
