"""The payment service's table of contents.

Answers place_hold, extend_hold, get_task_account, list_bazaarbucks, list_stripe, get_wallet,
open_wallet, list_entries, check_ledger, get_receipt, refund_payment, enter_payment,
open_checkout, retry_card, refund_card, take_webhook.
Consumes step.completed and step.failed.
By itself: asks after steps whose holds stay open and after what was not heard, charges cards for
what agents bought, refunds it handles what Stripe's webhooks told, and what they did not, checks as
they grow.
Publishes hold.placed, hold.declined, hold.extended, hold.released, hold.overcharged,
payment.recorded, payment.refunded, payment.entered, stripe_payment.updated, wallet.credited.
"""

from functools import partial

from chassis.db.aging import AGE_EVERY_S
from chassis.db.groups import GroupCommit
from chassis.service import Service
from contracts import cards as card_calls
from contracts import ledger, payment, topology
from payment_svc import measures, tables
from payment_svc.cards import charges, missed, rail, top_ups, webhook
from payment_svc.check import checks, reconcile
from payment_svc.holds import by_hand, capture, place, refund, release
from payment_svc.ledger import books, queries, wallets
from payment_svc.settings import Settings

CHECK_EVERY_S = 20.0
"""Seconds between two looks whether the check has enough new lines for a checkpoint."""


def build(settings: Settings) -> Service:
    """The payment service, wired but not started."""
    service = Service("payment", settings, tables.metadata)
    stripe = rail.client_of(settings)
    captures = partial(capture.capture, settings.platform_fee_rate, settings.rail)
    db, bus = service.database, service.bus
    group = GroupCommit(db, captures, apart_s=capture.APART_S)
    service.details["rail"] = settings.rail
    answer, consume = service.answer, service.consume

    answer(payment.PLACE_HOLD, partial(place.place_hold, db=db))
    answer(payment.EXTEND_HOLD, place.extend_hold)
    answer(payment.GET_TASK_ACCOUNT, queries.get_task_account)
    answer(payment.LIST_BAZAARBUCKS, queries.list_bazaarbucks)
    answer(payment.LIST_STRIPE, queries.list_stripe)
    answer(ledger.GET_WALLET, books.get_wallet)
    answer(ledger.OPEN_WALLET, partial(wallets.open_on_order, settings=settings))
    answer(ledger.LIST_ENTRIES, books.list_entries)
    answer(ledger.CHECK_LEDGER, partial(checks.check_ledger, settings=settings))
    answer(ledger.GET_RECEIPT, books.get_receipt)
    answer(ledger.REFUND_PAYMENT, refund.refund_payment)
    answer(ledger.ENTER_PAYMENT, partial(by_hand.enter_payment, settings=settings))
    answer(
        card_calls.OPEN_CHECKOUT,
        partial(top_ups.open_checkout, db=db, client=stripe, settings=settings),
    )
    answer(card_calls.RETRY_CARD, partial(charges.retry_card, client=stripe))
    answer(card_calls.REFUND_CARD, refund.refund_card)
    answer(card_calls.TAKE_WEBHOOK, partial(webhook.take_webhook, settings=settings))

    consume(topology.PAYMENT_STEP_COMPLETED, partial(capture.on_step_completed, captures=group))
    consume(topology.PAYMENT_STEP_FAILED, release.on_step_failed)

    ask_after = partial(reconcile.ask_after_steps, db, bus, settings)
    service.every(settings.reconcile_s / 2, ask_after)
    heard = partial(reconcile.ask_after_announcements, db, bus, settings)
    service.every(settings.reconcile_s / 2, heard)
    service.every(CHECK_EVERY_S, partial(checks.work, db))
    if stripe is not None:
        charge = partial(charges.work, db, stripe, settings)
        service.every(settings.card_poll_s, charge)
        service.at_end(partial(rail.close, stripe))
    if settings.stripe_webhook_secret is not None:
        service.every(settings.card_poll_s, partial(webhook.work, db))
        service.every(AGE_EVERY_S, partial(webhook.forget, db))
    if stripe is not None and settings.stripe_webhook_secret is not None:
        service.every(missed.EVERY_S, partial(missed.Missed().read, db, stripe))
    service.at_start(
        partial(wallets.open_wallet, db, settings.wallet_account, settings.wallet_grant)
    )
    service.readings.add(measures.read_holds)
    return service
