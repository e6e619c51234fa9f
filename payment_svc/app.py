"""The payment service's table of contents.

Answers place_hold, extend_hold, get_task_account, list_bazaarbucks, list_stripe, get_wallet,
open_wallet, list_entries, check_ledger, get_receipt, refund_payment, enter_payment,
open_checkout, retry_card, refund_card, take_webhook.
Consumes step.completed and step.failed.
By itself: asks after steps whose holds stay open, charges cards for what agents bought, refunds it
to them, handles what Stripe's webhooks told, checks the books as they grow.
Publishes hold.placed, hold.declined, hold.extended, hold.released, hold.overcharged,
payment.recorded, payment.refunded, payment.entered, stripe_payment.updated, wallet.credited.
"""

from functools import partial

from chassis.aging import AGE_EVERY_S
from chassis.bus import answers, consumes
from chassis.groups import GroupCommit
from chassis.service import Service
from contracts import cards as card_calls
from contracts import ledger, payment, topology
from payment_svc import cards as rail
from payment_svc import measures, tables
from payment_svc.handlers import (
    books,
    by_hand,
    captures,
    cards,
    checks,
    holds,
    queries,
    reconcile,
    refunds,
    releases,
    top_ups,
    wallets,
    webhook,
)
from payment_svc.settings import Settings

CHECK_EVERY_S = 20.0
"""Seconds between two looks whether the check has enough new lines for a checkpoint."""


def build(settings: Settings) -> Service:
    """The payment service, wired but not started."""
    service = Service("payment", settings, tables.metadata)
    stripe = rail.client_of(settings)
    capture = partial(captures.capture, settings.platform_fee_rate, settings.rail)
    service.offer(settings=settings, stripe=stripe, captures=GroupCommit(service.database, capture))
    service.details["rail"] = settings.rail
    on = service.broker.subscriber

    on(**answers(payment.PLACE_HOLD))(holds.place_hold)
    on(**answers(payment.EXTEND_HOLD))(holds.extend_hold)
    on(**answers(payment.GET_TASK_ACCOUNT))(queries.get_task_account)
    on(**answers(payment.LIST_BAZAARBUCKS))(queries.list_bazaarbucks)
    on(**answers(payment.LIST_STRIPE))(queries.list_stripe)
    on(**answers(ledger.GET_WALLET))(books.get_wallet)
    on(**answers(ledger.OPEN_WALLET))(wallets.open_on_order)
    on(**answers(ledger.LIST_ENTRIES))(books.list_entries)
    on(**answers(ledger.CHECK_LEDGER))(checks.check_ledger)
    on(**answers(ledger.GET_RECEIPT))(books.get_receipt)
    on(**answers(ledger.REFUND_PAYMENT))(refunds.refund_payment)
    on(**answers(ledger.ENTER_PAYMENT))(by_hand.enter_payment)
    on(**answers(card_calls.OPEN_CHECKOUT))(top_ups.open_checkout)
    on(**answers(card_calls.RETRY_CARD))(cards.retry_card)
    on(**answers(card_calls.REFUND_CARD))(refunds.refund_card)
    on(**answers(card_calls.TAKE_WEBHOOK))(webhook.take_webhook)

    on(**consumes(topology.PAYMENT_STEP_COMPLETED))(captures.on_step_completed)
    on(**consumes(topology.PAYMENT_STEP_FAILED))(releases.on_step_failed)

    ask_after = partial(reconcile.ask_after_steps, service.database, service.bus, settings)
    service.every(settings.reconcile_s / 2, ask_after)
    service.every(CHECK_EVERY_S, partial(checks.work, service.database))
    if stripe is not None:
        charge = partial(cards.work, service.database, stripe, settings)
        service.every(settings.card_poll_s, charge)
        service.at_end(partial(rail.close, stripe))
    if settings.stripe_webhook_secret is not None:
        service.every(settings.card_poll_s, partial(webhook.work, service.database))
        service.every(AGE_EVERY_S, partial(webhook.forget, service.database))
    service.at_start(
        partial(
            wallets.open_wallet, service.database, settings.wallet_account, settings.wallet_grant
        )
    )
    service.readings.add(measures.read_holds)
    return service
