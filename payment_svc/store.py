"""All SQL of the payment service. Nothing here commits: the chassis does, once per message.

Rows are locked in one order everywhere (hold, budget, wallet, other ledger accounts by name), so
that concurrent movements wait for each other instead of deadlocking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, Table, and_, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.payment import PlaceHold
from payment_svc.domain import Posting
from payment_svc.tables import (
    bazaarbucks_payments,
    budgets,
    entries,
    holds,
    ledger_accounts,
    stripe_payments,
)

Found = Row[*tuple[Any, ...]]


async def insert_hold(conn: AsyncConnection, account: str, request: PlaceHold) -> bool:
    """Store a hold; False when its id is known already."""
    done = await conn.execute(
        upsert(holds)
        .values(
            id=request.hold_id,
            account=account,
            task_id=request.task_id,
            agent_id=request.agent_id,
            asked=request.amount,
            held=request.amount,
            status="held",
        )
        .on_conflict_do_nothing()
    )
    return done.rowcount == 1


async def find_hold(conn: AsyncConnection, hold_id: str, *, lock: bool = False) -> Found | None:
    """A hold by its id, locked until the end of the transaction when asked."""
    query = select(holds).where(holds.c.id == hold_id)
    return (await conn.execute(query.with_for_update() if lock else query)).one_or_none()


async def reserve_budget(
    conn: AsyncConnection, task_id: str, account: str, max_budget: Decimal, amount: Decimal
) -> bool:
    """Set `amount` of a task's budget aside; False when the budget does not allow it.

    The first hold of a task makes its budget; later ones cannot change it.
    """
    if amount > max_budget:
        return False
    fresh = upsert(budgets).values(
        task_id=task_id, account=account, max_budget=max_budget, held=amount
    )
    done = await conn.execute(
        fresh.on_conflict_do_update(
            index_elements=[budgets.c.task_id],
            set_={"held": budgets.c.held + amount},
            where=and_(
                budgets.c.account == account,
                budgets.c.held + budgets.c.captured + amount <= budgets.c.max_budget,
            ),
        )
    )
    return done.rowcount == 1


async def reserve_wallet(conn: AsyncConnection, wallet: str, amount: Decimal) -> bool:
    """Set `amount` of a wallet aside; False when less than that is available."""
    done = await conn.execute(
        update(ledger_accounts)
        .where(
            ledger_accounts.c.id == wallet,
            ledger_accounts.c.posted - ledger_accounts.c.held >= amount,
        )
        .values(held=ledger_accounts.c.held + amount)
    )
    return done.rowcount == 1


async def lock_budget(conn: AsyncConnection, task_id: str) -> Found:
    """A task's budget row, locked until the end of the transaction."""
    return (
        await conn.execute(select(budgets).where(budgets.c.task_id == task_id).with_for_update())
    ).one()


async def lock_available(conn: AsyncConnection, wallet: str) -> Decimal:
    """What a wallet has beyond its holds; its row stays locked until the end."""
    found = await conn.execute(
        select(ledger_accounts.c.posted - ledger_accounts.c.held)
        .where(ledger_accounts.c.id == wallet)
        .with_for_update()
    )
    return Decimal(found.scalar_one())


async def raise_hold(
    conn: AsyncConnection, hold_id: str, task_id: str, wallet: str, by: Decimal
) -> None:
    """Set `by` more aside for a hold, in its budget and in its wallet."""
    await conn.execute(update(holds).where(holds.c.id == hold_id).values(held=holds.c.held + by))
    await conn.execute(
        update(budgets).where(budgets.c.task_id == task_id).values(held=budgets.c.held + by)
    )
    await conn.execute(
        update(ledger_accounts)
        .where(ledger_accounts.c.id == wallet)
        .values(held=ledger_accounts.c.held + by)
    )


async def resolve_captured(
    conn: AsyncConnection, hold_id: str, captured: Decimal, external: Decimal, refused: Decimal
) -> Found | None:
    """Turn an open hold into a captured one; None when it is not open or too small."""
    found: Found | None = (
        await conn.execute(
            update(holds)
            .where(
                holds.c.id == hold_id,
                holds.c.status == "held",
                holds.c.held >= captured + external,
            )
            .values(
                status="captured",
                captured=captured,
                external=external,
                refused=refused,
                resolved_at=func.now(),
            )
            .returning(holds)
        )
    ).one_or_none()
    return found


async def resolve_released(
    conn: AsyncConnection, hold_id: str, account: str, task_id: str, agent_id: str
) -> Found | None:
    """Release an open hold; None when it was captured or released before.

    A step that failed before its hold arrived leaves a released hold of nothing, so that a hold
    that arrives late is refused.
    """
    never_held = upsert(holds).values(
        id=hold_id,
        account=account,
        task_id=task_id,
        agent_id=agent_id,
        asked=0,
        held=0,
        status="released",
        resolved_at=func.now(),
    )
    found: Found | None = (
        await conn.execute(
            never_held.on_conflict_do_update(
                index_elements=[holds.c.id],
                set_={"status": "released", "resolved_at": func.now()},
                where=holds.c.status == "held",
            ).returning(holds)
        )
    ).one_or_none()
    return found


async def settle_budget(
    conn: AsyncConnection, task_id: str, held: Decimal, captured: Decimal
) -> None:
    """End a hold in its task's budget: `held` comes free, `captured` is spent."""
    await conn.execute(
        update(budgets)
        .where(budgets.c.task_id == task_id)
        .values(held=budgets.c.held - held, captured=budgets.c.captured + captured)
    )


async def settle_wallet(conn: AsyncConnection, wallet: str, held: Decimal, spent: Decimal) -> None:
    """End a hold in its wallet: `held` comes free, `spent` leaves."""
    await conn.execute(
        update(ledger_accounts)
        .where(ledger_accounts.c.id == wallet)
        .values(
            held=ledger_accounts.c.held - held,
            posted=ledger_accounts.c.posted - spent,
        )
    )


async def credit(conn: AsyncConnection, postings: Sequence[Posting]) -> None:
    """Add postings to their ledger accounts' balances, opening accounts that are new."""
    rows = [
        {"id": line.ledger_account, "posted": line.amount}
        for line in sorted(postings, key=lambda line: line.ledger_account)
    ]
    fresh = upsert(ledger_accounts).values(rows)
    await conn.execute(
        fresh.on_conflict_do_update(
            index_elements=[ledger_accounts.c.id],
            set_={"posted": ledger_accounts.c.posted + fresh.excluded.posted},
        )
    )


@dataclass(frozen=True, slots=True)
class Transfer:
    """A balanced movement and what it was for."""

    id: str
    kind: str
    postings: tuple[Posting, ...]
    task_id: str | None = None
    step_id: str | None = None


async def post(conn: AsyncConnection, transfer: Transfer) -> None:
    """Append a transfer's lines to the ledger; they are never changed again."""
    await conn.execute(
        insert(entries).values(
            [
                {
                    "transfer_id": transfer.id,
                    "ledger_account": line.ledger_account,
                    "amount": line.amount,
                    "kind": transfer.kind,
                    "task_id": transfer.task_id,
                    "step_id": transfer.step_id,
                }
                for line in transfer.postings
            ]
        )
    )


async def open_wallet(conn: AsyncConnection, wallet: str) -> bool:
    """Open a wallet with nothing in it; False when it exists."""
    done = await conn.execute(upsert(ledger_accounts).values(id=wallet).on_conflict_do_nothing())
    return done.rowcount == 1


async def insert_bazaarbucks(conn: AsyncConnection, **values: object) -> None:
    """Record a payment in BazaarBucks."""
    await conn.execute(insert(bazaarbucks_payments).values(**values))


async def insert_stripe(conn: AsyncConnection, **values: object) -> None:
    """Record a payment by card."""
    await conn.execute(insert(stripe_payments).values(**values))


async def task_account(conn: AsyncConnection, task_id: str, account: str) -> Found | None:
    """What a task holds and has paid."""
    query = select(budgets.c.held, budgets.c.captured).where(
        budgets.c.task_id == task_id, budgets.c.account == account
    )
    return (await conn.execute(query)).one_or_none()


async def page_of(
    conn: AsyncConnection,
    table: Table,
    account: str,
    limit: int,
    before: tuple[datetime, str] | None,
) -> Sequence[Found]:
    """An account's payments, newest first, one more than `limit` when there are more."""
    query = (
        select(table)
        .where(table.c.account == account)
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(tuple_(table.c.created_at, table.c.id) < before)
    return (await conn.execute(query)).all()
