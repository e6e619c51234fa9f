"""What the payment service has Prometheus know: the money that is held just now."""

from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_svc import store_measures

OPEN = Gauge("bazaar_holds_open", "Holds that are neither captured nor released, up to 10000")
OLDEST = Gauge("bazaar_holds_oldest_seconds", "Age of the oldest open hold")


async def read_holds(conn: AsyncConnection) -> None:
    """Set the gauges."""
    count, oldest_s = await store_measures.open_holds(conn)
    OPEN.set(count)
    OLDEST.set(oldest_s)
