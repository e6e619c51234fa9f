"""Questions about the books: the wallet, statements, receipts."""

from decimal import Decimal
from functools import partial

from chassis.db.pages import next_in_sequence, place_in_sequence
from chassis.handling.injection import Reading
from chassis.handling.listing import Listed, Listing
from contracts import api
from contracts.envelope import Envelope
from contracts.errors import NotFound
from contracts.ledger import (
    EntryList,
    EntryView,
    GetReceipt,
    GetWallet,
    ListEntries,
    Receipt,
    ReceiptLine,
    WalletView,
)
from payment_svc.domain import HOLDS, earnings_of, seller_of, wallet_of
from payment_svc.ledger import store as store_ledger
from payment_svc.ledger import store_payments
from payment_svc.payouts import store_owners
from payment_svc.spending import store as store_spending
from payment_svc.spending.handlers import view

AGENT = earnings_of("")

ENTRIES = Listing(EntryList, EntryView, api.LedgerEntry)
_AFTER = partial(next_in_sequence, name="id")


async def get_wallet(_request: GetWallet, tx: Reading, here: Envelope) -> WalletView:
    """The wallet of the account.

    Raises:
        NotFound: it has none.
    """
    row = await store_ledger.wallet(tx.conn, wallet_of(here.account))
    if row is None:
        raise NotFound("Wallet not found")
    posted = row.posted + row.owed
    return WalletView(
        account=here.account,
        posted=posted,
        held=row.held,
        available=posted - row.held,
        owed=row.owed,
    )


async def list_entries(request: ListEntries, tx: Reading, here: Envelope) -> Listed[EntryList]:
    """The statement of a ledger account, as far as it concerns the asking account.

    Of an agent's account, its owner sees what it earned for them, whoever paid.
    """
    name = request.ledger_account
    before = place_in_sequence(request)
    if name.startswith(HOLDS):
        return await _journal(request, name, tx, here.account, before)
    mine = {"wallet": wallet_of(here.account), "seller": seller_of(here.account)}
    ledger_account = mine.get(name, name)
    earned = ledger_account == mine["seller"] or (
        name.startswith(AGENT)
        and await store_owners.owns(tx.conn, here.account, name.removeprefix(AGENT))
    )
    statement = store_ledger.owners_statement if earned else store_ledger.statement
    rows = await statement(tx.conn, here.account, ledger_account, request.limit, before)
    return Listed(ENTRIES, rows, request.limit, _AFTER)


async def _journal(
    request: ListEntries, name: str, tx: Reading, account: str, before: int | None
) -> Listed[EntryList]:
    """The journal of a task's holds: what was set aside, and where it went."""
    task_id = name.removeprefix(HOLDS)
    rows = await store_ledger.journal(tx.conn, account, task_id, request.limit, before)
    lines = [
        EntryView(
            id=row.id,
            transfer_id=row.hold_id,
            ledger_account=name,
            amount=row.amount,
            kind=row.kind,
            task_id=row.task_id,
            step_id=row.hold_id,
            created_at=row.created_at,
        )
        for row in rows
    ]
    return Listed(ENTRIES, lines, request.limit, _AFTER)


async def get_receipt(request: GetReceipt, tx: Reading, here: Envelope) -> Receipt:
    """What each step of a task cost; empty for a task without holds.

    Steps that ended before anything was held for them are left out.
    """
    rows = await store_payments.holds_of(tx.conn, here.account, request.task_id)
    lines = [
        ReceiptLine(
            step_id=row.id,
            agent_id=row.agent_id,
            quoted=row.asked if row.quoted is None else row.quoted,
            held=row.held,
            charged=row.captured,
            fee=row.fee,
            refunded=row.refunded + row.external_refunded,
            external=row.external,
            status=row.status,
            list_price=row.list_price,
            **_settled(row),
        )
        for row in rows
        if row.asked or row.status != "released"
    ]
    spender = here.spender or next((row.spender for row in reversed(rows) if row.spender), None)
    known = await store_spending.find(tx.conn, spender) if spender else None
    sums = await store_payments.sums_of(tx.conn, here.account, request.task_id)
    return Receipt(
        task_id=request.task_id,
        lines=lines,
        charged=sums.captured,
        fee=sums.fee,
        refunded=sums.refunded,
        external=sums.external,
        total=sums.captured + sums.external - sums.refunded,
        spender=spender,
        remaining=view(known).remaining if known else None,
    )


def _settled(row: store_ledger.Found) -> dict[str, Decimal]:
    """What was billed for a step and what of that was paid, once it was captured."""
    if row.status != "captured":
        return {}
    paid = row.captured + row.external
    return {"billed": paid + row.refused, "paid": paid}
