"""Rows of payments as they are shown: under the ids that their owners chose."""

from contracts.payment import BazaarBucksPaymentView, StripePaymentUpdated, StripePaymentView
from payment_svc.ledger.names import Found, shown_id


def payment_view(row: Found) -> BazaarBucksPaymentView:
    """A payment in BazaarBucks."""
    view = BazaarBucksPaymentView.model_validate(row, from_attributes=True)
    return view.model_copy(update={"id": shown_id(row)})


def card_view(row: Found) -> StripePaymentView:
    """A payment by card."""
    view = StripePaymentView.model_validate(row, from_attributes=True)
    return view.model_copy(update={"id": shown_id(row)})


def card_event(row: Found) -> StripePaymentUpdated:
    """The event that says how a card payment stands."""
    return StripePaymentUpdated(
        payment_id=shown_id(row),
        task_id=row.task_id,
        agent_id=row.agent_id,
        vendor=row.vendor,
        amount=row.amount,
        status=row.status,
        payment_type=row.type,
        rail=row.rail,
        note=row.note,
        refund_of=row.refund_of,
    )
