"""What the registry has Prometheus know: how many agents answer their probes."""

from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncConnection

from registry_svc import store_measures

AGENTS = Gauge("bazaar_agents", "Listed agents, by whether they can be called", ["state"])


async def read_agents(conn: AsyncConnection) -> None:
    """Set the gauges; an agent that fails its probes is `away`, and no step is given to it."""
    available, away = await store_measures.count_available(conn)
    AGENTS.labels("available").set(available)
    AGENTS.labels("away").set(away)
