"""Refunds and disputes of top-ups that no webhook told of: Stripe's list of events is read, slowly.

An event has one id, whether its webhook brings it or its list: the one that comes second is known,
and what it says is handled once, in the same way.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import stripe
import structlog

from chassis.db.database import Database
from payment_svc.cards import store_events
from payment_svc.cards.rail import sentence

log = structlog.get_logger()

EVERY_S = 600.0
READ_S = 60.0
"""How long it may take to read the list."""
LISTED = timedelta(days=29)
"""Stripe lists events of thirty days, and we know those of 31 again."""
OVERLAP = timedelta(hours=1)
"""What happened while the list was read is read again."""
TYPES = [
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
]


@dataclass(slots=True)
class Missed:
    """Reads what was told since the last time, and all that is listed at first.

    Attributes:
        since: when it was read last; None before the first time.
    """

    since: datetime | None = None

    async def read(self, db: Database, client: stripe.StripeClient) -> None:
        """Store what Stripe told, unless it is known; it is handled as what its webhook brings."""
        now = datetime.now(UTC)
        begin = now - LISTED if self.since is None else self.since - OVERLAP
        try:
            async with asyncio.timeout(READ_S):
                page = await client.v1.events.list_async(
                    {"created": {"gte": int(begin.timestamp())}, "types": TYPES, "limit": 100}
                )
                told = [event async for event in page.auto_paging_iter()]
        except TimeoutError:
            log.warning("Stripe does not list what it told", why="it takes too long")
            return
        except stripe.StripeError as error:
            log.warning("Stripe does not list what it told", why=sentence(error))
            return
        for event in reversed(told):  # The oldest first.
            body = json.dumps(event.to_dict())
            async with db.transaction() as tx:
                if await store_events.store_event(tx.conn, event.id, event.type, body):
                    log.warning("a webhook was missed", event_id=event.id, type=event.type)
        self.since = now
