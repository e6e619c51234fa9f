"""The books without the bus: handlers driven directly, each in its transaction."""

from decimal import Decimal
from typing import Any

import asyncpg

from chassis.bus.calls import Bus
from chassis.bus.envelopes import new_id, origin
from chassis.db.database import Database
from chassis.db.groups import GroupCommit
from chassis.service import Service
from contracts import cards, ledger, payment, spending
from contracts.base import MICRO
from contracts.envelope import Envelope
from contracts.task_events import StepCompleted, StepFailed
from contracts.topology import PAYMENT_STEP_COMPLETED, PAYMENT_STEP_FAILED
from payment_svc.cards import store as store_cards
from payment_svc.cards import webhook
from payment_svc.check import checks
from payment_svc.holds import by_hand
from payment_svc.holds import capture as captures
from payment_svc.holds import place as holds
from payment_svc.holds import refund as refunds
from payment_svc.holds import release as releases
from payment_svc.ledger import books
from payment_svc.settings import Settings
from payment_svc.spending import handlers as credentials
from tests.support.bound import bound


def micro(amount: Decimal | str) -> int:
    """BazaarBucks in millionths."""
    return int(Decimal(amount) / MICRO)


def bucks(millionths: int) -> Decimal:
    """Millionths as BazaarBucks."""
    return millionths * MICRO


def money(*amounts: str | int) -> tuple[Decimal, ...]:
    """Amounts as they come out of the books."""
    return tuple(map(Decimal, amounts))


class Desk:
    """What the payment service does, called without NATS; the service must not be started."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self.db: Database = service.database
        # Either would connect to the bus by itself, and nobody would ever leave it.
        self.db.departures = self.db.changes = None
        self.settings = settings
        self.captures: GroupCommit[StepCompleted] = bound(service, "captures")

    @staticmethod
    def here(account: str, id_: str | None = None) -> Envelope:
        made = origin("test", "test", account)
        return made.model_copy(update={"id": id_}) if id_ else made

    async def hold(self, account: str, request: payment.PlaceHold) -> payment.HoldReply:
        return await holds.place_hold(request, self.db, self.here(account))

    async def extend(self, account: str, request: payment.ExtendHold) -> payment.HoldReply:
        async with self.db.transaction(self.here(account)) as tx:
            return await holds.extend_hold(request, tx, self.here(account))

    async def complete(self, account: str, event: StepCompleted, id_: str | None = None) -> None:
        here = self.here(account, id_)
        await captures.on_step_completed(event, self.captures, PAYMENT_STEP_COMPLETED, here)

    async def fail(self, account: str, event: StepFailed, id_: str | None = None) -> None:
        here = self.here(account, id_)
        async with self.db.effect(PAYMENT_STEP_FAILED.name, here) as tx:
            await releases.on_step_failed(event, tx, here)

    async def refund(self, account: str, request: ledger.RefundPayment) -> ledger.PaymentReply:
        async with self.db.transaction(self.here(account)) as tx:
            return await refunds.refund_payment(request, tx, self.here(account))

    async def refund_card(self, account: str, request: cards.RefundCard) -> cards.CardReply:
        async with self.db.transaction(self.here(account)) as tx:
            return await refunds.refund_card(request, tx, self.here(account))

    async def enter(self, account: str, request: ledger.EnterPayment) -> ledger.PaymentReply:
        here = self.here(account)
        async with self.db.transaction(here) as tx:
            return await by_hand.enter_payment(request, tx, here, self.settings)

    async def open_top_up(self, account: str, amount: Decimal) -> str:
        """A checkout that was opened; the payment's id."""
        async with self.db.transaction() as tx:
            id_ = new_id()
            assert await store_cards.insert_load(tx.conn, id_, account, amount, 600)
        return id_

    async def pay_top_up(self, payment_id: str, amount: Decimal) -> str:
        """What a webhook says of a paid checkout; what came of it."""
        session = {
            "id": f"cs_{payment_id}",
            "payment_status": "paid",
            "amount_total": int(amount * 100),
            "metadata": {"payment_id": payment_id},
            "payment_intent": f"pi_{payment_id}",
        }
        return await self.stripe_tells("checkout.session.completed", session, 0)

    async def stripe_tells(self, type_: str, thing: dict[str, Any], at: int) -> str:
        """What a webhook says, of a moment in seconds; what came of it."""
        async with self.db.transaction() as tx:
            body = {"created": at, "data": {"object": thing}}
            return await webhook._apply(tx, type_, body)

    async def spender(self, account: str, id_: str, **limits: Any) -> Envelope:
        """The envelope of a new session of the account."""
        here = self.here(account).model_copy(update={"spender": id_})
        order = {"spender_id": id_, "kind": "session", "hash": "0" * 64, "scopes": ["write"]}
        async with self.db.transaction() as tx:
            asked = spending.OpenSpender.model_validate(order | limits)
            await credentials.open_spender(asked, tx, here)
        return here

    async def receipt(self, account: str, task: str) -> ledger.Receipt:
        async with self.db.transaction() as tx:
            request = ledger.GetReceipt(task_id=task)
            return await books.get_receipt(request, tx, self.here(account))

    async def broken(self) -> list[ledger.Finding]:
        """The rules of the books that do not hold."""
        async with self.db.transaction() as tx:
            found = await checks.check_ledger(
                ledger.CheckLedger(full=True), tx, Settings(reconcile_s=3_600)
            )
        assert found.ok == (not any(one.broken for one in found.findings))
        return [one for one in found.findings if one.broken]

    async def checked(self, *, full: bool = False) -> ledger.LedgerCheck:
        """What the check says of what is recent, or of all."""
        async with self.db.transaction() as tx:
            return await checks.check_ledger(
                ledger.CheckLedger(full=full), tx, Settings(reconcile_s=3_600)
            )

    async def rows(self, query: str, *values: Any) -> list[Any]:
        """What the service's own role reads."""
        async with self.db.engine.connect() as conn:
            return list((await conn.exec_driver_sql(query, values)).all())


async def check(bus: Bus, *, full: bool = True) -> list[ledger.Finding]:
    """Ask a running service for the rules that do not hold."""
    request = ledger.CheckLedger(full=full)
    found = await bus.ask(ledger.CHECK_LEDGER, request, origin("test", "test", "any"))
    assert found.ok == (not any(one.broken for one in found.findings))
    return [one for one in found.findings if one.broken]


async def payment_for_step(desk: "Desk", step: str) -> str:
    """The same without the bus."""
    (found,) = await desk.rows(
        "SELECT id FROM payment.bazaarbucks_payments WHERE step_id=$1 AND type='agent_payment'",
        step,
    )
    return str(found.id)


async def payment_for(sql: "asyncpg.Pool[Any]", step: str) -> str:
    """The id of the agent's payment for a step."""
    found: str = await sql.fetchval(
        "SELECT id FROM bazaarbucks_payments WHERE step_id = $1 AND type = 'agent_payment'", step
    )
    return found


def hold_of(hold: str, task: str, amount: Decimal, budget: Decimal, agent: str) -> Any:
    return payment.PlaceHold(
        hold_id=hold, task_id=task, agent_id=agent, amount=amount, max_budget=budget
    )


def entered(task: str, amount: str | Decimal, **more: Any) -> ledger.EnterPayment:
    """A payment by hand; `more` overrides and adds."""
    fields = {"payment_id": new_id(), "agent_id": "translator", "max_budget": "100"}
    return ledger.EnterPayment.model_validate(
        {**fields, "task_id": task, "amount": Decimal(amount), **more}
    )


def refund_of(payment_id: str, amount: str | Decimal | None = None, **more: Any) -> Any:
    """A refund, of all that is left without an amount."""
    fields = {"payment_id": payment_id, "refund_id": new_id(), **more}
    return ledger.RefundPayment.model_validate(
        {**fields, "amount": None if amount is None else Decimal(amount)}
    )
