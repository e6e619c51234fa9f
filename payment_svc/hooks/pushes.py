"""What an account asks about its pushes: who is told by A2A how one task goes on."""

from chassis.bus.envelopes import new_id
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chassis.handling.injection import Reading
from chassis.outbound import Outbound
from contracts.envelope import Envelope
from contracts.errors import Conflict
from contracts.pushes import AddPush, DeletePush, ListPushes, PushList, PushReply, PushView
from payment_svc.hooks import a2a, signing, store, store_pushes
from payment_svc.hooks.requests import judged
from payment_svc.hooks.telling import Listening

MOST = 10
"""Pushes about one task."""
MOST_OPEN = 1_000
"""Pushes of one account that go on: somebody asks after each again and again."""


async def add_push(
    request: AddPush,
    db: Database,
    http: Outbound,
    sealed: signing.Sealed | None,
    listening: Listening,
    here: Envelope,
) -> PushReply:
    """Make a push, in place of one with its id; how the task stands is told first.

    Raises:
        Invalid: its address may not be called, or has none.
        Conflict: there are too many.
        Unavailable: there is no key to keep secrets with.
    """
    url, sealed = await judged(request.url, http, sealed)
    if request.only_look:
        return PushReply()
    hook = {
        "id": new_id(),
        "account": here.account,
        "url": url,
        "secret": sealed.close(a2a.shown_to_receiver(request)),
    }
    values = request.model_dump(by_alias=False, include=_KEPT)
    values |= {"webhook_id": hook["id"], "account": here.account}
    async with db.transaction(here) as tx:
        await store_pushes.lock_account(tx.conn, here.account)
        known = await store_pushes.about(tx.conn, here.account, request.about)
        same = [one for one in known if one.push_id == request.push_id]
        for one in same:
            await remove(tx, one.webhook_id)
        if len(known) - len(same) >= MOST:
            raise Conflict(f"At most {MOST} addresses are told of one task.")
        if await store_pushes.open_of(tx.conn, here.account) >= MOST_OPEN:
            raise Conflict(f"At most {MOST_OPEN} pushes of an account go on at once.")
        await store_pushes.add(tx.conn, hook, values)
        made = await _find(tx, here.account, request.about, request.push_id)
    await listening.look()
    return PushReply(push=made)


_KEPT = {"about", "push_id", "context", "wire", "scheme"}


async def list_pushes(request: ListPushes, tx: Reading, here: Envelope) -> PushList:
    """The account's pushes about a task, without what only receivers are shown."""
    rows = await store_pushes.about(tx.conn, here.account, request.about)
    return PushList(pushes=[_view(row) for row in rows])


async def delete_push(request: DeletePush, tx: Transaction, here: Envelope) -> PushReply:
    """End a push; one that is not there has ended."""
    for row in await store_pushes.about(tx.conn, here.account, request.about):
        if row.push_id == request.push_id:
            await remove(tx, row.webhook_id)
            return PushReply(push=_view(row))
    return PushReply()


async def remove(tx: Transaction, webhook_id: str) -> None:
    """Drop a push, with its webhook and what that was to be told."""
    await store.lock(tx.conn, webhook_id)
    await store_pushes.remove(tx.conn, webhook_id)
    await store.remove(tx.conn, webhook_id)


async def _find(tx: Transaction, account: str, about: str, push_id: str) -> PushView | None:
    rows = await store_pushes.about(tx.conn, account, about)
    return next((_view(row) for row in rows if row.push_id == push_id), None)


def _view(row: store.Found) -> PushView:
    return PushView.model_validate(row, from_attributes=True)
