"""step.completed: the step's hold is captured. Exactly once, and many at a time.

Every paid step comes by here, so captures are taken in groups: the statements of a group are the
same number whether it has one member or sixty.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import structlog

from chassis.bus.envelopes import new_id
from chassis.db.groups import GroupCommit, Member
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.errors import Invalid
from contracts.payment import (
    HoldOvercharged,
    PaymentRecorded,
    Rail,
    StripePaymentUpdated,
    StripeStatus,
)
from contracts.task_events import StepCompleted
from contracts.topology import Durable
from payment_svc.domain import Transfer, capture_postings, fee_of, wallet_of
from payment_svc.holds import store, store_budgets
from payment_svc.ledger import store as store_ledger
from payment_svc.ledger import store_payments
from payment_svc.machine import store_sent
from payment_svc.rows import Hold

log = structlog.get_logger()
BY_MACHINE = "Paid by x402; no card was charged."
APART_S = 0.05
"""Groups begin so far apart: a capture after a pause is done at once, many are done together."""


@dataclass(frozen=True, slots=True)
class Capture:
    """A hold that is being captured, and the event that says for how much."""

    hold: Hold
    event: StepCompleted
    payment_id: str
    card_id: str
    fee: Decimal
    rail: Rail
    note: str | None = None
    """Why no card is charged, when it is not the rail that says so."""

    @property
    def card_status(self) -> StripeStatus:
        """The simulated rail completes at once; the real one is asked after the commit."""
        return "pending" if self.rail == "stripe" else "completed"

    @property
    def total(self) -> Decimal:
        """What leaves the wallet, in BazaarBucks."""
        return self.event.cost + self.event.external_cost

    @property
    def vendor(self) -> str:
        """Whom the agent bought from."""
        return self.event.vendor or self.event.agent_id


async def on_step_completed(
    event: StepCompleted,
    captures: GroupCommit[StepCompleted],
    on: Durable,
    here: Envelope,
) -> None:
    """Capture the step's hold: pay the agent, book what it bought, free the rest.

    Of a turn at once: its person waits for the bill.

    Raises:
        Invalid: there is no hold for the step, or less was held than it says it costs.
    """
    await captures.add(on.name, here, event, awaited=event.turn_id is not None)


async def capture(
    fee_rate: Decimal,
    rail: Rail,
    tx: Transaction,
    group: Sequence[Member[StepCompleted]],
    *,
    by_machine: bool = False,
) -> None:
    """Capture the holds of a group. Raises as `on_step_completed` does, for any of them.

    With `by_machine`, what was bought may have been paid to the agent itself, and is no card's.
    """
    holds = await store.lock_holds(tx.conn, [member.item.step_id for member in group])
    due: dict[str, Capture] = {}
    for member in group:
        event = member.item
        if event.step_id not in due and _is_due(holds.get(event.step_id), event):
            fee = fee_of(event.cost, fee_rate)
            due[event.step_id] = Capture(holds[event.step_id], event, new_id(), new_id(), fee, rail)
    if not due:
        return
    bought = [step_id for step_id, c in due.items() if c.event.external_cost]
    if by_machine and bought:
        for step_id in await store_sent.pay(tx.conn, bought):
            due[step_id] = replace(due[step_id], rail="simulated", note=BY_MACHINE)
    found = list(due.values())
    ends = [
        store.Settlement(c.hold, c.event.cost, c.event.external_cost, _refused(c), c.fee)
        for c in found
    ]
    transfers = [_transfer(c) for c in found if c.total]
    await store.capture_holds(tx.conn, ends)
    await store_budgets.settle(tx.conn, ends)
    wallets = {wallet_of(c.hold.account) for c in found}
    lines = [line for transfer in transfers for line in transfer.postings]
    await store_ledger.credit(tx.conn, [p for p in lines if p.ledger_account not in wallets])
    await store_ledger.post(tx.conn, transfers)
    await store_payments.record(tx.conn, "bazaarbucks", [row for c in found for row in _pay(c)])
    await store_payments.record(
        tx.conn, "stripe", [_card(c) for c in found if c.event.external_cost]
    )
    causes = {member.item.step_id: member.here for member in group}
    for c in found:
        tx.cause = causes[c.event.step_id]
        _tell(tx, c)


def _is_due(hold: Hold | None, event: StepCompleted) -> bool:
    if hold is None or hold.status == "released":
        raise Invalid(f"step {event.step_id} is completed but has no open hold")
    if hold.status == "captured":
        log.info("hold was captured before", step_id=event.step_id)
        return False
    if hold.held < event.cost + event.external_cost:
        raise Invalid(f"step {event.step_id} costs more than was held for it")
    return True


def _refused(c: Capture) -> Decimal:
    return max(Decimal(0), c.event.billed - c.total)


def _transfer(c: Capture) -> Transfer:
    postings = capture_postings(
        c.hold.account, c.event.agent_id, c.event.cost, c.fee, c.event.external_cost
    )
    return Transfer(new_id(), c.hold.account, "capture", postings, c.hold.task_id, c.event.step_id)


def _pay(c: Capture) -> list[dict[str, object]]:
    """The agent's pay and the platform's fee; together they are what the user was charged."""
    shares = (
        (c.payment_id, "agent_payment", c.event.cost - c.fee),
        (new_id(), "platform_fee", c.fee),
    )
    return [
        {
            "id": id_,
            "account": c.hold.account,
            "task_id": c.hold.task_id,
            "step_id": c.event.step_id,
            "agent_id": c.event.agent_id,
            "amount": amount,
            "type": kind,
        }
        for id_, kind, amount in shares
        if amount
    ]


def _card(c: Capture) -> dict[str, object]:
    """What the agent bought outside; due at once when the real rail is to charge it."""
    return {
        "id": c.card_id,
        "account": c.hold.account,
        "task_id": c.hold.task_id,
        "step_id": c.event.step_id,
        "agent_id": c.event.agent_id,
        "vendor": c.vendor,
        "amount": c.event.external_cost,
        "status": c.card_status,
        "type": "card_spend",
        "rail": c.rail,
        "next_attempt_at": datetime.now(UTC) if c.rail == "stripe" else None,
        "note": c.note,
    }


def _record_of(c: Capture) -> str:
    """The payment that there is a record of; of a free step there is none but the step itself."""
    if c.event.cost:
        return c.payment_id
    return c.card_id if c.event.external_cost else c.event.step_id


def _tell(tx: Transaction, c: Capture) -> None:
    account = c.hold.account
    if c.event.external_cost:
        tx.publish(
            StripePaymentUpdated(
                payment_id=c.card_id,
                task_id=c.hold.task_id,
                agent_id=c.event.agent_id,
                vendor=c.vendor,
                amount=c.event.external_cost,
                status=c.card_status,
                payment_type="card_spend",
                rail=c.rail,
                note=c.note,
            ),
            account=account,
        )
    if _refused(c):
        tx.publish(
            HoldOvercharged(
                task_id=c.hold.task_id,
                hold_id=c.hold.id,
                agent_id=c.event.agent_id,
                billed=c.event.billed,
                paid=c.total,
            ),
            account=account,
        )
    tx.publish(
        PaymentRecorded(
            task_id=c.hold.task_id,
            payment_id=_record_of(c),
            step_id=c.event.step_id,
            agent_id=c.event.agent_id,
            amount=c.event.cost,
            external_amount=c.event.external_cost,
        ),
        account=account,
    )
