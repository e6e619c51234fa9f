"""SQL of what is set aside and spent in tasks' budgets and in wallets."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Boolean, Row, String, and_, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.statements import Statement, named
from contracts.payment import PlaceHold
from payment_svc.domain import wallet_of
from payment_svc.holds.store import Settlement
from payment_svc.rows import Reserved
from payment_svc.spending import store as store_spending
from payment_svc.tables import MONEY, budgets, ledger_accounts

Found = Row[*tuple[Any, ...]]

_FRESH_BUDGET = upsert(budgets)
_MOST = func.greatest(budgets.c.max_budget, _FRESH_BUDGET.excluded.max_budget)
_HELD_THEN = budgets.c.held + _FRESH_BUDGET.excluded.held - bindparam("freed", type_=MONEY)
_RESERVE_BUDGET = Statement(
    _FRESH_BUDGET.values(
        task_id=bindparam("task"),
        account=bindparam("owner"),
        max_budget=bindparam("most"),
        held=bindparam("amount"),
    ).on_conflict_do_update(
        index_elements=[budgets.c.task_id],
        set_={"held": _HELD_THEN, "max_budget": _MOST},
        where=and_(
            budgets.c.account == _FRESH_BUDGET.excluded.account,
            _HELD_THEN + budgets.c.captured <= _MOST,
        ),
    ),
    tuple,
)
# What costs nothing is no spending, so it is not refused for a debt either.
_RESERVE_WALLET = Statement(
    text(
        """
    WITH reserved AS (
      UPDATE payment.ledger_accounts SET held = held + :amount
      WHERE id = :wallet AND closed_at IS NULL AND (posted - held >= :amount OR :free)
      RETURNING id)
    SELECT EXISTS (SELECT FROM reserved) AS done,
           coalesce((SELECT owed FROM payment.ledger_accounts WHERE id = :wallet), 0) AS owed,
           EXISTS (SELECT FROM payment.ledger_accounts
                   WHERE id = :wallet AND closed_at IS NOT NULL) AS closed
    """
    ).bindparams(
        bindparam("wallet", type_=String),
        bindparam("amount", type_=MONEY),
        bindparam("free", type_=Boolean),
    ),
    Reserved,
)
_SETTLE_BUDGET = Statement(
    update(budgets)
    .where(budgets.c.task_id == bindparam("task"))
    .values(
        held=budgets.c.held - bindparam("freed"), captured=budgets.c.captured + bindparam("spent")
    ),
    tuple,
)
_SETTLE_WALLET = Statement(
    update(ledger_accounts)
    .where(ledger_accounts.c.id == bindparam("wallet"))
    .values(
        held=ledger_accounts.c.held - bindparam("freed"),
        posted=ledger_accounts.c.posted - bindparam("spent"),
    ),
    tuple,
)


async def reserve_budget(
    conn: AsyncConnection,
    account: str,
    request: PlaceHold,
    freed: Decimal = Decimal(0),
) -> bool:
    """Set a hold's amount of its task's budget aside; False when the budget does not allow it.

    The first hold of a task makes its budget. A later one can raise it, never lower it.

    Args:
        conn: the transaction's.
        account: whose task it is.
        request: what is to be held, and the budget as the asking service knows it.
        freed: what came free in the same transaction.
    """
    if request.amount > request.max_budget:
        return False
    done = await _RESERVE_BUDGET.run(
        conn,
        {
            "task": request.task_id,
            "owner": account,
            "most": request.max_budget,
            "amount": request.amount,
            "freed": freed,
        },
    )
    return done == 1


async def reserve_wallet(
    conn: AsyncConnection, wallet: str, amount: Decimal, freed: Decimal = Decimal(0)
) -> Reserved:
    """Set `amount` of a wallet aside, of which `freed` came free in the same transaction.

    Returns:
        Whether it was `done`: it is not when less is available, or the wallet is closed; and what
        it `owed`.
    """
    values = {"wallet": wallet, "amount": amount - freed, "free": not amount}
    return await _RESERVE_WALLET.one(conn, values)


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


async def set_more_aside(conn: AsyncConnection, task_id: str, wallet: str, by: Decimal) -> None:
    """Set `by` more aside in a budget and a wallet, whose rows are locked."""
    nothing = Decimal(0)
    await _SETTLE_BUDGET.run(conn, {"task": task_id, "freed": -by, "spent": nothing})
    await _SETTLE_WALLET.run(conn, {"wallet": wallet, "freed": -by, "spent": nothing})


async def settle(conn: AsyncConnection, settlements: Sequence[Settlement]) -> None:
    """End holds where they count: what was held comes free, what was spent leaves."""
    spent_by: dict[str, list[Decimal]] = {}
    tasks: dict[str, list[Decimal]] = {}
    wallets: dict[str, list[Decimal]] = {}
    for s in settlements:
        of = ((tasks, s.hold.task_id), (wallets, wallet_of(s.hold.account)))
        by = ((spent_by, s.hold.spender),) if s.hold.spender else ()
        for sums, key in (*by, *of):
            freed, spent = sums.get(key, [Decimal(0), Decimal(0)])
            sums[key] = [freed + s.hold.held, spent + s.captured + s.external]
    for spender, (freed, spent) in sorted(spent_by.items()):  # Locked in their order.
        await store_spending.move(conn, spender, -freed, spent)
    await _SETTLE_BUDGET.run_each(
        conn,
        [{"task": key, "freed": f, "spent": s} for key, (f, s) in sorted(tasks.items())],
    )
    await _SETTLE_WALLET.run_each(
        conn,
        [{"wallet": key, "freed": f, "spent": s} for key, (f, s) in sorted(wallets.items())],
    )


_ACCOUNT = named(
    select(budgets.c.held, budgets.c.captured).where(
        budgets.c.task_id == bindparam("task"), budgets.c.account == bindparam("owner")
    )
)


async def task_account(conn: AsyncConnection, task_id: str, account: str) -> Any | None:
    """What a task holds and has paid."""
    return await _ACCOUNT.one_or_none(conn, {"task": task_id, "owner": account})
