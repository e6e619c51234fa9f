"""Holds and captures per second, and whether their cost grows with the books.

    python -m bench.ledger [--steps 100] [--sizes 1000,100000,1000000]

Starts a PostgreSQL of its own and drives the payment service's handlers directly, each in the
transaction that it has in production; no message leaves. Prints steps (a hold and its capture) per
second with 16 callers on one wallet, the hot account, and on 16 wallets; then the median cost of a
step, one at a time, with so many ledger lines stored, as a ratio to the first size; and how long
GET /api/ledger/check reads there. Ratios are what counts: all run in the same minutes.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from decimal import Decimal
from functools import partial
from pathlib import Path

import asyncpg
from alembic import command
from sqlalchemy import text

from chassis import migrate
from chassis.database import Database
from chassis.envelopes import new_id, origin
from chassis.groups import GroupCommit
from chassis.provision import Logins, provision
from contracts.ledger import CheckLedger
from contracts.payment import PlaceHold
from contracts.task import StepCompleted
from contracts.topology import PAYMENT_STEP_COMPLETED
from deploy.local.embedded import embedded_postgres_server
from payment_svc.app import build
from payment_svc.handlers.captures import capture, on_step_completed
from payment_svc.handlers.checks import check_ledger
from payment_svc.handlers.checks import work as checkpoints
from payment_svc.handlers.holds import place_hold
from payment_svc.handlers.wallets import open_wallet
from payment_svc.settings import Settings

CALLERS = 16
TURNS, STEPS_A_TURN = 6, 40
FILL_AT_ONCE = 25_000
GRANT = Decimal(1_000_000)
FILL = """
WITH made AS (
  SELECT md5(random()::text || n) AS id, md5((n / 10)::text || :batch) AS task
  FROM generate_series(1, :steps) n
), held AS (
  INSERT INTO payment.holds
    (id, account, task_id, agent_id, asked, held, status, captured, fee, resolved_at)
  SELECT id, 'old', task, 'poet', 1, 1, 'captured', 1, 0, now() FROM made
), freed AS (
  INSERT INTO payment.hold_lines (hold_id, task_id, account, kind, amount)
  SELECT id, task, 'old', 'captured', -1 FROM made
), paid AS (
  INSERT INTO payment.bazaarbucks_payments
    (id, account, task_id, step_id, agent_id, amount, type)
  SELECT md5(id), 'old', task, id, 'poet', 1, 'agent_payment' FROM made
), budget AS (
  INSERT INTO payment.budgets (task_id, account, max_budget, captured)
  SELECT task, 'old', 100, count(*) FROM made GROUP BY task
)
INSERT INTO payment.entries
  (transfer_id, account, kind, task_id, step_id, ledger_account, amount)
SELECT md5(id), 'old', 'capture', task, id, line.name, line.amount
FROM made, (VALUES ('wallet:old', -1), ('agent:poet', 1)) AS line (name, amount)
"""
BALANCES = """
UPDATE payment.ledger_accounts a SET posted = e.posted
FROM (SELECT ledger_account AS id, sum(amount) AS posted FROM payment.entries GROUP BY 1) e
WHERE e.id = a.id
"""


class Till:
    """The payment service without the bus."""

    def __init__(self, url: str, owner: str) -> None:
        service = build(Settings(database_url=url, nats_url="nats://127.0.0.1:9", database_pool=16))
        self.db: Database = service.database
        self.owner = owner
        self.db.departures = None
        self.captures: GroupCommit[StepCompleted] = GroupCommit(
            service.database, partial(capture, Decimal(0), "simulated")
        )

    async def step(self, account: str, task: str) -> float:
        """A hold and its capture; the seconds that it took."""
        began, step = time.perf_counter(), new_id()
        here, price = origin("task", "bench", account), Decimal("0.01")
        hold = PlaceHold(
            hold_id=step, task_id=task, agent_id="poet", amount=price, max_budget=GRANT
        )
        await place_hold(hold, self.db, here)
        done = StepCompleted(
            task_id=task,
            step_id=step,
            agent_id="poet",
            subtask_type="poem",
            result="",
            cost=price,
            external_cost=Decimal(0),
            billed=price,
            requires_external_tool=False,
            execution_time=1,
        )
        await on_step_completed(done, self.captures, PAYMENT_STEP_COMPLETED, here)
        return time.perf_counter() - began

    async def run(self, sql: str, **values: object) -> None:
        """Change the books behind the service's back."""
        async with self.db.engine.begin() as conn:
            await conn.execute(text(sql), values)


async def per_second(till: Till, wallets: int, steps: int) -> float:
    """Steps per second of 16 callers, each with a task of its own."""
    accounts = [new_id() for _ in range(wallets)]
    for account in accounts:
        await open_wallet(till.db, account, GRANT)

    async def call(number: int) -> None:
        task = new_id()
        for _ in range(steps):
            await till.step(accounts[number % wallets], task)

    began = time.perf_counter()
    await asyncio.gather(*(call(number) for number in range(CALLERS)))
    return CALLERS * steps / (time.perf_counter() - began)


async def fill(till: Till, lines: int) -> None:
    """Store captures until there are so many ledger lines, with their holds and payments."""
    async with till.db.engine.connect() as conn:
        missing = (
            lines - (await conn.execute(text("SELECT count(*) FROM payment.entries"))).scalar_one()
        )
    while missing > 1:
        steps = min(missing // 2, FILL_AT_ONCE)
        await till.run(FILL, steps=steps, batch=new_id())
        missing -= 2 * steps
    await till.run(BALANCES)
    owner = await asyncpg.connect(till.owner)
    await owner.execute("VACUUM ANALYZE")
    await owner.close()


async def costs(tills: dict[int, Till]) -> dict[int, float]:
    """Median milliseconds of a step at each size; they take turns, so that noise hits them all."""
    took: dict[int, list[float]] = {size: [] for size in tills}
    for turn in range(TURNS + 1):
        for size, till in tills.items():
            task = new_id()
            found = [await till.step("one", task) for _ in range(STEPS_A_TURN)]
            took[size] += found if turn else []  # The first turn warms up.
    return {size: statistics.median(found) * 1000 for size, found in took.items()}


async def check(till: Till, *, full: bool) -> float:
    """Seconds that the check takes; it must find nothing."""
    began = time.perf_counter()
    async with till.db.transaction() as tx:
        found = await check_ledger(CheckLedger(full=full), tx, Settings())
    assert found.ok, found
    return time.perf_counter() - began


async def catch_up(till: Till) -> float:
    """Seconds until everything is behind a checkpoint, but for what a running service leaves."""
    began = time.perf_counter()
    await checkpoints(till.db)
    return time.perf_counter() - began


async def till_of(server: str, size: int) -> Till:
    """Books of their own with so many lines."""
    admin = await asyncpg.connect(server)
    name = f"books_{size}"
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    logins = {"payment": Logins(service="bench", owner="bench-owner")}
    await provision(f"{server.rpartition('/')[0]}/{name}", logins)
    host = server.rpartition("@")[2].partition("/")[0]
    url = f"postgresql://bazaar_payment:bench@{host}/{name}"
    owner = f"postgresql://bazaar_payment_owner:bench-owner@{host}/{name}"
    await asyncio.to_thread(command.upgrade, migrate.alembic_config("payment_svc", owner), "head")
    till = Till(url, owner)
    for account in ("one", "old"):
        await open_wallet(till.db, account, GRANT)
    await till.run("INSERT INTO payment.ledger_accounts (id) VALUES ('agent:poet')")
    await fill(till, size)
    return till


async def measure(server: str, steps: int, sizes: list[int]) -> None:
    tills = {size: await till_of(server, size) for size in sizes}
    found = await costs(tills)
    for size, took in found.items():
        till = tills[size]
        print(
            f"{size:>9,} lines: {took:6.2f} ms a step, {took / found[sizes[0]]:4.2f} of the first;"
            f" checkpoints from nothing {await catch_up(till):6.2f} s,"
            f" check {await check(till, full=False):6.3f} s,"
            f" full {await check(till, full=True):6.2f} s"
        )
    for wallets in (1, CALLERS):
        speed = await per_second(tills[sizes[0]], wallets, steps)
        print(f"{CALLERS} callers, {wallets:>2} wallet(s): {speed:7.0f} steps/s")
    for till in tills.values():
        await till.db.engine.dispose()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100, help="steps of each of 16 callers")
    parser.add_argument("--sizes", default="1000,100000,1000000", help="ledger lines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bazaar-bench-") as folder:
        home = Path(folder)
        await asyncio.to_thread(
            home.chmod, 0o755
        )  # the embedded PostgreSQL may run as another user
        async with embedded_postgres_server(home) as server:
            await measure(server.url, options.steps, list(map(int, options.sizes.split(","))))


if __name__ == "__main__":
    asyncio.run(main())
