"""One purchase as the kit `hostile-facilitator` wants it: a payment is taken, whatever it hears.

The facilitator is at FACILITATOR_URL. What is not known yet is asked again, with the same payment.
"""

import asyncio
import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime

from chassis.bus.envelopes import origin
from chassis.db.database import Database
from contracts.errors import Busy, Unavailable
from contracts.machine import TakeMachinePayment
from payment_svc.machine.wiring import machine_of
from payment_svc.settings import Settings
from payment_svc.tables import metadata
from tests.machine.system import Buyer

TIMES, PAUSE_S = 3, 0.3


async def main(given: str, account: str) -> None:
    """Offer, sign, take."""
    told = {"machine_facilitator": os.environ["FACILITATOR_URL"]}
    settings = Settings.model_validate(json.loads(given) | told)
    db = Database(settings.database_url, metadata, pool=2, relay_workers=1)
    machine = machine_of(settings, db)
    assert machine.receiving is not None
    machine = replace(machine, receiving=replace(machine.receiving, lease_s=0.1, again_s=0.1))
    asked = machine.offer(settings.machine_rate, "http://market/", None)
    order = TakeMachinePayment(x402=Buyer().sign(asked["PAYMENT-REQUIRED"]))
    here = origin("test", "purchase", account)
    for _ in range(TIMES):
        try:
            await machine.take(order, here, datetime.now(UTC))
            break
        except (Busy, Unavailable):
            await asyncio.sleep(PAUSE_S)
    await machine.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
