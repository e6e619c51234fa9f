"""SQL of holds and budgets: the way that every step takes. `store_*` beside it has the rest.

Nothing in them commits: the chassis does, once per message.

Rows are locked in one order everywhere (hold, budget, wallet, other ledger accounts by name), so
that concurrent movements wait for each other instead of deadlocking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    Numeric,
    Row,
    String,
    any_,
    bindparam,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.at_once import at_once
from chassis.db.statements import Statement
from chassis.db.transaction import Transaction
from contracts.payment import PlaceHold
from payment_svc.rows import Hold, Placed, Placing
from payment_svc.tables import MONEY, holds

Found = Row[*tuple[Any, ...]]

# Statements of the hot path are built once: building costs more time than running them.
# One statement whether the hold replaces another or not, so that a hold costs the same.
_INSERT_HOLD = Statement(
    text(
        """
    WITH placed AS (
      INSERT INTO payment.holds
        (id, account, task_id, agent_id, asked, held, status, replaces, list_price, quoted,
         tolerance, spender)
      VALUES (:hold, :account, :task, :agent, :amount, :amount, 'held', :replaces, :list_price,
              :quoted, :tolerance, :spender)
      ON CONFLICT DO NOTHING RETURNING id),
    replaced AS (
      UPDATE payment.holds SET status = 'released', resolved_at = now()
      WHERE id = :replaces AND id <> :hold AND account = :account AND task_id = :task
        AND status = 'held' AND EXISTS (SELECT FROM placed) RETURNING held, spender)
    SELECT EXISTS (SELECT FROM placed) AS placed,
           coalesce((SELECT held FROM replaced), 0) AS freed,
           (SELECT spender FROM replaced) AS freed_of
    """
    ).bindparams(
        *(
            bindparam(name, type_=String)
            for name in ("hold", "account", "task", "agent", "replaces", "spender")
        ),
        *(bindparam(name, type_=MONEY) for name in ("amount", "list_price", "quoted")),
        bindparam("tolerance", type_=Numeric(4, 2)),
    ),
    Placed,
)
# What most holds are, by one statement: hold, budget and wallet, in the order of all locks. Whether
# they allow it is looked at first, and asked of each row again once it is locked.
_PLACE = at_once(
    "payment",
    """
    looked AS (
      SELECT EXISTS (SELECT FROM payment.holds WHERE id = :hold) AS known,
             coalesce(b.account = :account
                      AND b.held + b.captured + :amount <= greatest(b.max_budget, :most),
                      :amount <= :most) AS within,
             coalesce(w.posted - w.held >= :amount OR :amount = 0, false) AS covered,
             coalesce(w.owed, 0) AS owed, w.closed_at IS NOT NULL AS closed
      FROM (VALUES (:wallet)) AS asked (id)
      LEFT JOIN payment.ledger_accounts w ON w.id = asked.id
      LEFT JOIN payment.budgets b ON b.task_id = :task),
    placed AS (
      INSERT INTO payment.holds
        (id, account, task_id, agent_id, asked, held, status, list_price, quoted, tolerance)
      SELECT :hold, :account, :task, :agent, :amount, :amount, 'held', :list_price, :quoted,
             :tolerance
      FROM looked WHERE within AND covered AND NOT closed
      ON CONFLICT DO NOTHING RETURNING id),
    planned AS (
      INSERT INTO payment.budgets AS b (task_id, account, max_budget, held)
      SELECT :task, :account, :most, :amount FROM placed
      ON CONFLICT (task_id) DO UPDATE
        SET held = b.held + excluded.held, max_budget = greatest(b.max_budget, excluded.max_budget)
        WHERE b.account = excluded.account
          AND b.held + excluded.held + b.captured <= greatest(b.max_budget, excluded.max_budget)
      RETURNING task_id),
    paid AS (
      UPDATE payment.ledger_accounts w SET held = w.held + :amount FROM planned
      WHERE w.id = :wallet AND w.closed_at IS NULL
        AND (w.posted - w.held >= :amount OR :amount = 0)
      RETURNING w.id)
    """,
    Placing,
    {
        **dict.fromkeys(("hold", "account", "task", "agent", "wallet"), String()),
        **dict.fromkeys(("amount", "most", "list_price", "quoted"), MONEY),
        "tolerance": Numeric(4, 2),
    },
    first="placed",
    last="paid",
    result="SELECT (SELECT id FROM outbox_row), known, within, covered, owed, closed FROM looked",
)
_CAPTURE_HOLD = Statement(
    update(holds)
    .where(holds.c.id == bindparam("hold"))
    .values(status="captured", resolved_at=func.now()),
    tuple,
    keys=("captured", "external", "refused", "fee"),
)
_FIND_HOLD = select(holds).where(holds.c.id == bindparam("hold"))
_LOCK_HOLD = Statement(_FIND_HOLD.with_for_update(), Hold)
_LOOK_AT_HOLD = Statement(_FIND_HOLD, Hold)
_LOCK_HOLDS = Statement(
    select(holds)
    .where(holds.c.id == any_(bindparam("holds", type_=ARRAY(String))))
    .order_by(holds.c.id)
    .with_for_update(),
    Hold,
)


async def place(tx: Transaction, account: str, request: PlaceHold, wallet: str) -> Placing | None:
    """Set a hold's amount aside in its budget and its wallet, and all of a transaction at once.

    Returns:
        Whether that was done, or what was in the way; None when somebody else was: the statements
        below wait for him.
    """
    values = {
        "hold": request.hold_id,
        "account": account,
        "task": request.task_id,
        "agent": request.agent_id,
        "amount": request.amount,
        "most": request.max_budget,
        "wallet": wallet,
        "list_price": request.list_price,
        "quoted": request.quoted,
        "tolerance": request.tolerance or Decimal(1),
    }
    return await tx.at_once(_PLACE, values)


async def insert_hold(
    conn: AsyncConnection, account: str, request: PlaceHold, spender: str | None
) -> Placed | None:
    """Store a hold, and release the one that it replaces if that is still open.

    Args:
        conn: the transaction's.
        account: whose money it is.
        request: what is to be held.
        spender: the credential with limits that it is placed with, if it is one.

    Returns:
        What was held for the replaced step, to be freed in credential, budget and wallet; None
        when the hold's id is known already.
    """
    row = await _INSERT_HOLD.one(
        conn,
        {
            "hold": request.hold_id,
            "account": account,
            "task": request.task_id,
            "agent": request.agent_id,
            "amount": request.amount,
            "replaces": request.replaces,
            "list_price": request.list_price,
            "quoted": request.quoted,
            "tolerance": request.tolerance or Decimal(1),
            "spender": spender,
        },
    )
    return row if row.placed else None


async def find_hold(conn: AsyncConnection, hold_id: str, *, lock: bool = False) -> Hold | None:
    """A hold by its id, locked until the end of the transaction when asked."""
    query = _LOCK_HOLD if lock else _LOOK_AT_HOLD
    return await query.one_or_none(conn, {"hold": hold_id})


async def raise_hold(conn: AsyncConnection, hold_id: str, by: Decimal) -> None:
    """Set `by` more aside for a hold; its budget and its wallet follow by `store_budgets`."""
    await conn.execute(update(holds).where(holds.c.id == hold_id).values(held=holds.c.held + by))


async def lock_holds(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, Hold]:
    """Holds by their ids, locked until the end of the transaction; unknown ones are left out."""
    return {hold.id: hold for hold in await _LOCK_HOLDS.all(conn, {"holds": list(ids)})}


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of an open hold: what it freed, and what of that was spent.

    Attributes:
        captured: BazaarBucks for the agent's work.
        external: BazaarBucks for what it bought.
        refused: BazaarBucks that were billed beyond the hold.
        fee: what the platform keeps of `captured`.
    """

    hold: Hold
    captured: Decimal = Decimal(0)
    external: Decimal = Decimal(0)
    refused: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)


async def capture_holds(conn: AsyncConnection, settlements: Sequence[Settlement]) -> None:
    """Turn open holds, which are locked, into captured ones."""
    await _CAPTURE_HOLD.run_each(
        conn,
        [
            {
                "hold": s.hold.id,
                "captured": s.captured,
                "external": s.external,
                "refused": s.refused,
                "fee": s.fee,
            }
            for s in settlements
        ],
    )


async def resolve_released(
    conn: AsyncConnection, hold_id: str, account: str, task_id: str, agent_id: str
) -> Hold | None:
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
    found = (
        await conn.execute(
            never_held.on_conflict_do_update(
                index_elements=[holds.c.id],
                set_={"status": "released", "resolved_at": func.now()},
                where=holds.c.status == "held",
            ).returning(holds)
        )
    ).one_or_none()
    return Hold(*found) if found else None
