"""What the task service does with the payment service, and how its books are checked."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import asyncpg
from nats.js import JetStreamContext

from chassis.bus.calls import Bus
from chassis.bus.envelopes import new_id, origin
from chassis.db.database import Database
from chassis.service import Service
from contracts.base import Call, Event, ReplyT, RequestT
from contracts.catalogue import EVENTS
from contracts.envelope import DEDUPLICATION, ID
from contracts.payment import EXTEND_HOLD, PLACE_HOLD, ExtendHold, PlaceHold
from contracts.task_events import StepCompleted, StepFailed
from contracts.users import ADMIN
from payment_svc.ledger.wallets import open_wallet
from tests.support.polling import eventually
from tests.support.streams import Stored, dead_letters, settled, stored

PATIENCE_MS = 60_000
"""For tests on a busy machine, which are about answers and not about their speed."""

BROKEN_BOOKS = """
WITH
 lines AS (SELECT ledger_account AS id, sum(amount) AS posted FROM entries GROUP BY 1),
 open_holds AS (
   SELECT 'wallet:' || account AS id, sum(held) AS held FROM holds WHERE status = 'held' GROUP BY 1
 ),
 of_task AS (
   SELECT task_id,
          coalesce(sum(held) FILTER (WHERE status = 'held'), 0) AS held,
          coalesce(sum(captured + external - refunded - external_refunded)
            FILTER (WHERE status = 'captured'), 0) AS captured
   FROM holds GROUP BY 1
 ),
 paid AS (SELECT step_id, sum(amount) AS amount,
                 count(*) FILTER (WHERE type = 'agent_payment') AS n
          FROM bazaarbucks_payments WHERE type <> 'refund' GROUP BY 1),
 by_card AS (SELECT step_id, sum(amount) AS amount, count(*) AS n FROM stripe_payments
             WHERE type = 'card_spend' GROUP BY 1),
 to_card AS (SELECT step_id, sum(amount) AS amount FROM stripe_payments
             WHERE refund_of IS NOT NULL GROUP BY 1),
 moved AS (SELECT step_id, count(DISTINCT transfer_id) AS n, -min(amount) AS amount
           FROM entries WHERE kind = 'capture' GROUP BY 1)
SELECT 'a transfer does not add up to zero' AS broken, transfer_id AS id
  FROM entries GROUP BY transfer_id HAVING sum(amount) <> 0
UNION ALL SELECT 'the ledger does not add up to zero', sum(amount)::text
  FROM entries HAVING sum(amount) <> 0
UNION ALL SELECT 'a balance is not the sum of its lines', a.id
  FROM ledger_accounts a FULL JOIN lines USING (id)
  WHERE coalesce(a.posted, 0) <> coalesce(lines.posted, 0)
UNION ALL SELECT 'what a wallet holds is not the sum of its holds', a.id
  FROM ledger_accounts a FULL JOIN open_holds USING (id)
  WHERE coalesce(a.held, 0) <> coalesce(open_holds.held, 0)
UNION ALL SELECT 'available is negative', id
  FROM ledger_accounts WHERE id <> 'world' AND posted - held + owed < 0
UNION ALL SELECT 'what is owed is not what is lacking', id
  FROM ledger_accounts WHERE id <> 'world' AND owed <> greatest(0, held - posted)
UNION ALL SELECT 'a budget is not the sum of its holds', b.task_id
  FROM budgets b FULL JOIN of_task USING (task_id)
  WHERE coalesce(b.held, 0) <> coalesce(of_task.held, 0)
     OR coalesce(b.captured, 0) <> coalesce(of_task.captured, 0)
UNION ALL SELECT 'a task is over its budget', task_id
  FROM budgets WHERE held + captured > max_budget
UNION ALL SELECT 'more was captured than held', id
  FROM holds WHERE captured + external > held
UNION ALL SELECT 'a hold that is not captured has a charge', id
  FROM holds WHERE status <> 'captured' AND captured + external <> 0
UNION ALL SELECT 'a hold and its end disagree', id
  FROM holds WHERE (status = 'held') <> (resolved_at IS NULL)
UNION ALL SELECT 'a charge is not its payment', h.id
  FROM holds h FULL JOIN paid ON paid.step_id = h.id
  WHERE coalesce(h.captured, 0) <> coalesce(paid.amount, 0) OR paid.n > 1
UNION ALL SELECT 'an external charge is not its card payment', h.id
  FROM holds h FULL JOIN by_card ON by_card.step_id = h.id
  WHERE coalesce(h.external, 0) <> coalesce(by_card.amount, 0) OR by_card.n > 1
UNION ALL SELECT 'a purchase that came back is not its card refund', h.id
  FROM holds h FULL JOIN to_card ON to_card.step_id = h.id
  WHERE coalesce(h.external_refunded, 0) <> coalesce(to_card.amount, 0)
UNION ALL SELECT 'a capture is not what the ledger moved', h.id
  FROM holds h FULL JOIN moved ON moved.step_id = h.id
  WHERE coalesce(h.captured + h.external, 0) <> coalesce(moved.amount, 0) OR moved.n > 1
"""
"""Every rule of the books in one statement, so that it sees one moment and is true at each."""


async def broken_books(sql: "asyncpg.Pool[Any]") -> list[str]:
    """What is wrong with the books, in words; empty at every moment."""
    return [f"{row['broken']}: {row['id']}" for row in await sql.fetch(BROKEN_BOOKS)]


def by_admin(service: Service) -> Bus:
    """The connection of a service, asking as who may ask all."""
    return Bus(service.broker, ADMIN)


@dataclass(frozen=True)
class Balance:
    """A wallet in BazaarBucks."""

    posted: Decimal
    held: Decimal

    @property
    def available(self) -> Decimal:
        return self.posted - self.held


@dataclass
class Customer:
    """An account with a wallet, and the task service's side of the bus."""

    account: str
    bus: Bus
    js: JetStreamContext
    sql: "asyncpg.Pool[Any]"

    async def ask(self, call: Call[RequestT, ReplyT], request: RequestT) -> ReplyT:
        cause = origin("test", "test", self.account)
        return await self.bus.ask(call, request, cause, timeout_ms=PATIENCE_MS)

    async def hold(
        self,
        amount: str | Decimal,
        *,
        task: str,
        id_: str | None = None,
        budget: str | Decimal = "100",
        agent: str = "translator",
        **more: Any,
    ) -> str:
        """Place a hold; its id. `more` are fields of the request."""
        id_ = id_ or new_id()
        request = PlaceHold.model_validate(
            {
                "hold_id": id_,
                "task_id": task,
                "agent_id": agent,
                "amount": Decimal(amount),
                "max_budget": Decimal(budget),
                **more,
            }
        )
        assert (await self.ask(PLACE_HOLD, request)).hold_id == id_
        return id_

    async def extend(self, hold: str, amount: str | Decimal) -> Decimal:
        """Ask for a hold to be raised; what is held then."""
        request = ExtendHold(hold_id=hold, amount=Decimal(amount))
        return (await self.ask(EXTEND_HOLD, request)).held

    async def tell(self, event: Event, id_: str | None = None) -> str:
        """Publish an event as the task service does, with a message id that may be old.

        An old id passes the stream as a new message: its window of duplicates is only a help.
        """
        source = next(context for context, kinds in EVENTS.items() if type(event) in kinds)
        headers = origin(source, f"{event.type}.v1", self.account).headers()
        headers[ID] = id_ or headers[ID]
        headers[DEDUPLICATION] = new_id()
        await self.js.publish(
            event.subject(), event.model_dump_json().encode(), stream="EVENTS", headers=headers
        )
        return headers[ID]

    async def told(self, event: Event, id_: str | None = None) -> str:
        """Publish an event and wait until the payment service is done with it."""
        id_ = await self.tell(event, id_)
        await self.handled(event)
        return id_

    async def handled(self, event: Event) -> None:
        """Wait until every event of this type is settled."""
        name = "payment-" + event.type.replace(".", "-")

        await eventually(lambda: settled(self.js, "EVENTS", name))

    async def status(self, hold: str) -> str | None:
        found: str | None = await self.sql.fetchval("SELECT status FROM holds WHERE id = $1", hold)
        return found

    async def wallet(self) -> Balance:
        row = await self.sql.fetchrow(
            "SELECT posted, held FROM ledger_accounts WHERE id = $1", f"wallet:{self.account}"
        )
        assert row is not None
        return Balance(row["posted"], row["held"])

    async def budget(self, task: str) -> tuple[Decimal, Decimal] | None:
        """What a task holds and has paid; None when nothing was ever held for it."""
        row = await self.sql.fetchrow("SELECT held, captured FROM budgets WHERE task_id=$1", task)
        return None if row is None else (row["held"], row["captured"])

    async def events(self, task: str, type_: str = "*.*") -> list[Stored]:
        """The payment service's own events of a task, oldest first."""
        found = await stored(self.js, "EVENTS", f"bazaar.evt.{type_}.{task}")
        return [event for event in found if event.headers["ce-source"] == "payment"]

    async def said(self, task: str, type_: str, count: int = 1) -> list[Stored]:
        """All of these events of a task, once there are so many.

        An event leaves after its transaction: who was answered may find it not stored yet.
        """

        async def so_many() -> list[Stored]:
            found = await self.events(task, type_)
            return found if len(found) >= count else []

        return await eventually(so_many)

    async def event(self, task: str, type_: str) -> Stored:
        """The only event of this type that the payment service published for a task."""
        found = await self.said(task, type_)
        assert len(found) == 1, found
        return found[0]

    async def dead_letters(self, event: Event, id_: str) -> list[Stored]:
        return await dead_letters(self.js, "payment-" + event.type.replace(".", "-"), id_)


async def new_customer(
    db: Database, bus: Bus, js: JetStreamContext, sql: "asyncpg.Pool[Any]", grant: str | Decimal
) -> Customer:
    """A fresh account with `grant` BazaarBucks in its wallet."""
    account = new_id()
    assert await open_wallet(db, account, Decimal(grant))
    return Customer(account, bus, js, sql)


def completed(task: str, step: str, cost: str | Decimal, **more: Any) -> StepCompleted:
    """The event of a step that cost `cost`; `more` overrides and adds."""
    cost = Decimal(cost)
    external = Decimal(more.pop("external_cost", 0))
    return StepCompleted.model_validate(
        {
            "task_id": task,
            "step_id": step,
            "agent_id": "translator",
            "subtask_type": "translation",
            "result": "hola",
            "cost": cost,
            "external_cost": external,
            "billed": cost + external,
            "requires_external_tool": bool(external),
            "execution_time": 12,
            **more,
        }
    )


def failed(task: str, step: str, **more: Any) -> StepFailed:
    """The event of a step that came to nothing."""
    return StepFailed.model_validate(
        {
            "task_id": task,
            "step_id": step,
            "agent_id": "translator",
            "reason": "agent_error",
            "error": "it broke",
            **more,
        }
    )
