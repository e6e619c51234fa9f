"""Credentials that may spend no more than so much: made, looked at, revoked."""

from chassis.db.pages import next_in_time, place_in_time
from chassis.db.transaction import Transaction
from chassis.handling.injection import Reading
from contracts.envelope import Envelope
from contracts.errors import Conflict, Internal, NotFound
from contracts.spending import (
    CloseSpender,
    Credential,
    FindSpender,
    GetSpender,
    ListSpenders,
    OpenSpender,
    SpenderList,
    SpenderView,
)
from payment_svc.domain import CLOSED, wallet_of
from payment_svc.ledger import store as store_ledger
from payment_svc.spending import store

NOBODY = "There is no such credential."


async def open_spender(request: OpenSpender, tx: Transaction, here: Envelope) -> SpenderView:
    """Make a credential known, for the account that asks.

    Raises:
        Conflict: its id was used for another, or the account is closed.
    """
    if await store_ledger.is_closed(tx.conn, wallet_of(here.account)):
        raise Conflict(CLOSED)
    values = request.model_dump(by_alias=False, exclude={"spender_id", "limit"})
    values |= {"id": request.spender_id, "account": here.account, "most": request.limit}
    await store.insert(tx.conn, values)
    known = await store.find(tx.conn, request.spender_id)
    if known is None:
        raise Internal("A credential that was just stored is gone.")
    if (known.account, known.hash) != (here.account, request.hash):
        raise Conflict("This id is that of another credential.")
    return view(known)


async def find_spender(request: FindSpender, tx: Reading) -> Credential:
    """Whose a credential is.

    Raises:
        NotFound: there is none, or it is revoked.
    """
    known = await store.find(tx.conn, request.spender_id)
    if known is None or known.closed_at is not None:
        raise NotFound(NOBODY)
    return Credential(
        account=known.account,
        kind=known.kind,
        hash=known.hash,
        scopes=known.scopes,
        expires_at=known.expires_at,
        limited=is_limited(known),
    )


async def get_spender(request: GetSpender, tx: Reading, here: Envelope) -> SpenderView:
    """What is left of a credential of the account.

    Raises:
        NotFound: it has none with this id.
    """
    known = await store.find(tx.conn, request.spender_id)
    if known is None or known.account != here.account:
        raise NotFound(NOBODY)
    return view(known)


async def list_spenders(request: ListSpenders, tx: Reading, here: Envelope) -> SpenderList:
    """Credentials of one kind, newest first."""
    account = None if request.all else here.account
    before = place_in_time(request)
    rows = await store.page(tx.conn, request.kind, account, request.limit, before)
    found = [view(row) for row in rows[: request.limit]]
    return SpenderList(spenders=found, next_cursor=next_in_time(rows, request.limit))


async def close_spender(request: CloseSpender, tx: Transaction, here: Envelope) -> SpenderView:
    """Revoke a credential; revoked twice, it is revoked.

    Raises:
        NotFound: there is none of that kind.
    """
    account = None if request.any_account else here.account
    known = await store.close(tx.conn, request.spender_id, request.kind, account)
    if known is None:
        raise NotFound(NOBODY)
    return view(known)


def is_limited(row: store.Found) -> bool:
    """Whether a credential may not do all that its account may."""
    limits = (row.most, row.per_task, row.per_day, row.agents, row.approve_above)
    return row.kind == "session" or any(limit is not None for limit in limits)


def view(row: store.Found) -> SpenderView:
    """A credential, as it is shown."""
    left = None if row.most is None else row.most - row.held - row.captured
    return SpenderView(
        id=row.id,
        kind=row.kind,
        account=row.account,
        scopes=row.scopes,
        limit=row.most,
        per_task=row.per_task,
        per_day=row.per_day,
        agents=row.agents,
        note=row.note,
        created_at=row.created_at,
        expires_at=row.expires_at,
        closed_at=row.closed_at,
        held=row.held,
        spent=row.captured,
        remaining=left,
        approve_above=row.approve_above,
    )
