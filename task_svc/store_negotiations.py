"""All SQL about negotiations. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.negotiation import Offer
from task_svc.store import Found
from task_svc.tables import negotiations, steps


def _one(account: str, id_: str) -> Any:
    return (negotiations.c.account == account) & (negotiations.c.id == id_)


async def find(conn: AsyncConnection, account: str, id_: str) -> Found | None:
    """A negotiation of an account."""
    query = select(negotiations).where(_one(account, id_))
    found: Found | None = (await conn.execute(query)).one_or_none()
    return found


async def find_agreement(conn: AsyncConnection, account: str, id_: str) -> Found | None:
    """A negotiation, locked, with `used_by`: the status of the step that has its price."""
    query = (
        select(negotiations, steps.c.status.label("used_by"))
        .outerjoin(steps, steps.c.id == negotiations.c.step_id)
        .where(_one(account, id_))
        .with_for_update(of=negotiations)
    )
    found: Found | None = (await conn.execute(query)).one_or_none()
    return found


async def use(conn: AsyncConnection, account: str, id_: str, step_id: str) -> None:
    """Give an agreement to a step."""
    await conn.execute(update(negotiations).where(_one(account, id_)).values(step_id=step_id))


async def insert(conn: AsyncConnection, **values: object) -> Found | None:
    """Store a negotiation that begins; None when its id is known already."""
    query = upsert(negotiations).on_conflict_do_nothing().returning(negotiations)
    found: Found | None = (await conn.execute(query, values)).one_or_none()
    return found


async def record(
    conn: AsyncConnection, known: Found, offers: Sequence[Offer], **ending: object
) -> Found | None:
    """Store the rounds of an open negotiation, and its ending when it has come to one.

    Returns:
        How it stands now; None when somebody else recorded a round or its end meanwhile.
    """
    query = (
        update(negotiations)
        .where(
            _one(known.account, known.id),
            negotiations.c.status == "open",
            func.jsonb_array_length(negotiations.c.offers) == len(known.offers),
        )
        .values(offers=[offer.model_dump(mode="json") for offer in offers], **ending)
        .returning(negotiations)
    )
    now: Found | None = (await conn.execute(query)).one_or_none()
    return now
