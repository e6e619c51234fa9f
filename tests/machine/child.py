"""Takes one payment in a process of its own, which may be killed meanwhile."""

import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime

from chassis.bus.envelopes import origin
from chassis.db.database import Database
from contracts.machine import TakeMachinePayment
from payment_svc.machine.wiring import machine_of
from payment_svc.settings import Settings
from payment_svc.tables import metadata

LEASE_S = 0.1
"""Nobody waits for long for what this process has in hand."""


async def main(given: str, account: str, header: str) -> None:
    settings = Settings.model_validate(json.loads(given))
    db = Database(settings.database_url, metadata, pool=2, relay_workers=1)
    machine = machine_of(settings, db)
    assert machine.taking is not None
    taking = replace(machine.taking, receiving=replace(machine.taking.receiving, lease_s=LEASE_S))
    here = origin("test", "child", account)
    await taking.take(TakeMachinePayment(signature=header), here, datetime.now(UTC))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
