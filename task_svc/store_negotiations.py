"""All SQL about negotiations. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.negotiation import Offer
from task_svc.store import Found
from task_svc.tables import negotiations


def _one(account: str, id_: str) -> Any:
    return (negotiations.c.account == account) & (negotiations.c.id == id_)


async def find(conn: AsyncConnection, account: str, id_: str) -> Found | None:
    """A negotiation of an account."""
    query = select(negotiations).where(_one(account, id_))
    found: Found | None = (await conn.execute(query)).one_or_none()
    return found


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
