"""What the task service has to hear: told, and told again as the same message until it has.

Nothing waits for it there, as for a step's end: a task that did not hear of a refund stays too dear
for ever. So who publishes keeps the message, and asks after it.
"""

from chassis.bus.envelopes import new_id
from chassis.db.transaction import Transaction
from contracts.ledger import PaymentEntered, PaymentRefunded
from payment_svc.ledger import store_announcing

Announcement = PaymentRefunded | PaymentEntered
KINDS: dict[str, type[Announcement]] = {
    kind.type: kind for kind in (PaymentRefunded, PaymentEntered)
}


async def announce(tx: Transaction, event: Announcement, account: str) -> None:
    """Publish an event that the task service has to hear."""
    id_ = new_id()
    tx.publish(event, account=account, message_id=id_)
    body = event.model_dump(mode="json")
    await store_announcing.note(tx.conn, id_, account, event.type, body)
