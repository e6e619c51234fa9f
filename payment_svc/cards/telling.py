"""How a card payment stands, told to whoever wants to know."""

import structlog

from chassis.db.transaction import Transaction
from payment_svc.cards.store import Found
from payment_svc.ledger.views import card_event

log = structlog.get_logger()


def tell(tx: Transaction, payment: Found | None) -> None:
    """Publish how a payment stands, if it has changed."""
    if payment is not None:
        log.info("card payment", payment_id=payment.id, status=payment.status, note=payment.note)
        tx.publish(card_event(payment), account=payment.account)
