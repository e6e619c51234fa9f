"""Questions about payments; nothing here changes anything."""

from decimal import Decimal

from chassis.db.database import Database
from chassis.db.groups import GroupCommit
from chassis.db.pages import next_in_time, place_in_time
from chassis.handling.injection import Reading
from chassis.handling.listing import Listed, Listing
from contracts import api
from contracts.envelope import Envelope
from contracts.payment import (
    BazaarBucksList,
    BazaarBucksPaymentView,
    GetTaskAccount,
    ListBazaarBucks,
    ListStripe,
    StripeList,
    StripePaymentView,
    TaskAccount,
)
from contracts.task_events import StepCompleted
from payment_svc.holds import store_budgets
from payment_svc.ledger import store_payments
from payment_svc.ledger.names import shown_id

PAYMENTS = Listing(BazaarBucksList, BazaarBucksPaymentView, api.BazaarBucksPayment, id=shown_id)
CARDS = Listing(StripeList, StripePaymentView, api.StripePayment, id=shown_id)
SETTLES_S = 0.2
"""How long a question waits for captures; it is answered as things are then."""


async def get_task_account(
    request: GetTaskAccount, db: Database, captures: GroupCommit[StepCompleted], here: Envelope
) -> TaskAccount:
    """What a task holds and has paid; zeros for a task without holds.

    Who asks may be about to end the task: captures of it that came here wait for no others.
    """
    await captures.settled(lambda event: event.task_id == request.task_id, SETTLES_S)
    async with db.transaction(reads=True) as tx:
        row = await store_budgets.task_account(tx.conn, request.task_id, here.account)
    return TaskAccount(
        task_id=request.task_id,
        held=row.held if row else Decimal(0),
        captured=row.captured if row else Decimal(0),
    )


async def list_bazaarbucks(
    request: ListBazaarBucks, tx: Reading, here: Envelope
) -> Listed[BazaarBucksList]:
    """The account's payments in BazaarBucks, newest first."""
    rows = await store_payments.page_of(
        tx.conn, "bazaarbucks", here.account, request.limit, place_in_time(request)
    )
    return Listed(PAYMENTS, rows, request.limit, next_in_time)


async def list_stripe(request: ListStripe, tx: Reading, here: Envelope) -> Listed[StripeList]:
    """The account's card payments, newest first."""
    rows = await store_payments.page_of(
        tx.conn, "stripe", here.account, request.limit, place_in_time(request)
    )
    return Listed(CARDS, rows, request.limit, next_in_time)
