"""The payment service's table of contents.

Answers place_hold, extend_hold, get_task_account, list_bazaarbucks, list_stripe, get_wallet,
open_wallet, list_entries, check_ledger, get_receipt, refund_payment, enter_payment,
open_checkout, retry_card, refund_card, take_webhook, open_spender, find_spender, get_spender,
list_spenders, close_spender, close_account, ask_approval, decide_approval, list_approvals,
get_seller, open_onboarding, set_destination, list_earnings, request_payout, list_payouts,
add_webhook, list_webhooks, delete_webhook, list_deliveries, replay_deliveries, add_push,
list_pushes, delete_push, open_dispute, note_dispute, decide_dispute, list_disputes,
offer_machine_payment, take_machine_payment, pay_agent.
Consumes step.completed, step.failed, agent.registered, agent.updated, agent.suspended,
task.completed, task.failed.
By itself: asks after steps whose holds stay open and after what was not heard, charges cards for
what agents bought, refunds it to them, handles what Stripe's webhooks told, and what they did not,
settles and pays out what agents earned, looks after payments by machines, tells webhooks, asks how
tasks stand that are told of by A2A, checks the books as they grow.
Publishes hold.placed, hold.declined, hold.extended, hold.released, hold.overcharged,
payment.recorded, payment.refunded, payment.entered, stripe_payment.updated, wallet.credited,
step.approval_requested, step.approval_decided, payout.requested, payout.paid, payout.failed,
dispute.opened, dispute.noted, dispute.decided.
"""

from functools import partial

from stripe import StripeClient

from chassis.db.aging import AGE_EVERY_S
from chassis.db.groups import GroupCommit
from chassis.outbound import Outbound
from chassis.service import Service
from contracts import approvals as approval_calls
from contracts import cards as card_calls
from contracts import disputes as dispute_calls
from contracts import hooks as hook_calls
from contracts import ledger, payment, selling, spending, topology
from contracts import machine as machine_calls
from contracts import pushes as push_calls
from payment_svc import measures, tables
from payment_svc.cards import charges, missed, rail, top_ups, webhook
from payment_svc.check import checks, reconcile
from payment_svc.disputes import requests as disputes
from payment_svc.holds import by_hand, capture, place, refund, release
from payment_svc.hooks import asking, pushes, sending, signing, telling
from payment_svc.hooks import requests as hooks
from payment_svc.ledger import books, queries, wallets
from payment_svc.machine import desk
from payment_svc.machine.loading import as_deep_as_before
from payment_svc.payouts import onboarding, owners, paying, requests, settling
from payment_svc.settings import Settings
from payment_svc.spending import approvals, closing
from payment_svc.spending import handlers as credentials

CHECK_EVERY_S = 20.0
"""Seconds between two looks whether the check has enough new lines for a checkpoint."""

LISTENING_EVERY_S = 1.0
"""Seconds until every replica knows of a webhook."""
ATTRIBUTE_EVERY_S = 5.0
"""Seconds between two looks for payments of agents whose owners were heard of later."""


def build(settings: Settings) -> Service:
    """The payment service, wired but not started."""
    service = Service("payment", settings, tables.metadata)
    stripe = rail.client_of(settings)
    captures = partial(
        capture.capture,
        settings.platform_fee_rate,
        settings.rail,
        by_machine=settings.machine_payer_key is not None,
    )
    db, bus = service.database, service.bus
    group = GroupCommit(db, captures, apart_s=capture.APART_S)
    service.details["rail"] = settings.rail
    answer, consume = service.answer, service.consume

    answer(payment.PLACE_HOLD, partial(place.place_hold, db=db))
    answer(payment.EXTEND_HOLD, place.extend_hold)
    answer(payment.GET_TASK_ACCOUNT, partial(queries.get_task_account, db=db, captures=group))
    answer(payment.LIST_BAZAARBUCKS, queries.list_bazaarbucks)
    answer(payment.LIST_STRIPE, queries.list_stripe)
    answer(ledger.GET_WALLET, books.get_wallet)
    answer(ledger.OPEN_WALLET, partial(wallets.open_on_order, settings=settings))
    answer(ledger.LIST_ENTRIES, books.list_entries)
    answer(ledger.CHECK_LEDGER, partial(checks.check_ledger, settings=settings))
    answer(ledger.GET_RECEIPT, books.get_receipt)
    grace_s = settings.refund_grace_s
    answer(ledger.REFUND_PAYMENT, partial(refund.refund_payment, grace_s=grace_s))
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
    _limit(service, settings)
    _sell(service, settings, stripe)
    _tell(service, settings)
    _pay_by_machine(service, settings)
    return service


def _limit(service: Service, settings: Settings) -> None:
    """Credentials that spend so much, and what of it waits for a person."""
    answer = service.answer
    answer(spending.OPEN_SPENDER, credentials.open_spender)
    answer(spending.FIND_SPENDER, credentials.find_spender)
    answer(spending.GET_SPENDER, credentials.get_spender)
    answer(spending.LIST_SPENDERS, credentials.list_spenders)
    answer(spending.CLOSE_SPENDER, credentials.close_spender)
    approving = partial(approvals.ask_approval, ttl_s=settings.approval_ttl_s)
    answer(approval_calls.ASK_APPROVAL, approving)
    answer(approval_calls.DECIDE_APPROVAL, approvals.decide_approval)
    answer(approval_calls.LIST_APPROVALS, approvals.list_approvals)
    service.every(AGE_EVERY_S, partial(approvals.forget, service.database))


def _sell(service: Service, settings: Settings, stripe: StripeClient | None) -> None:
    """What agents earn for who listed them, payouts, and disputes."""
    db, answer, consume = service.database, service.answer, service.consume
    answer(selling.GET_SELLER, partial(requests.get_seller, settings=settings))
    link = partial(onboarding.open_onboarding, db=db, client=stripe, settings=settings)
    answer(selling.OPEN_ONBOARDING, link)
    answer(selling.SET_DESTINATION, partial(requests.set_destination, settings=settings))
    answer(selling.LIST_EARNINGS, requests.list_earnings)
    answer(selling.REQUEST_PAYOUT, partial(requests.request_payout, settings=settings))
    answer(selling.LIST_PAYOUTS, requests.list_payouts)
    answer(spending.CLOSE_ACCOUNT, closing.close_account)
    opened = partial(disputes.open_dispute, grace_s=settings.refund_grace_s)
    answer(dispute_calls.OPEN_DISPUTE, opened)
    answer(dispute_calls.NOTE_DISPUTE, disputes.note_dispute)
    answer(dispute_calls.DECIDE_DISPUTE, disputes.decide_dispute)
    answer(dispute_calls.LIST_DISPUTES, disputes.list_disputes)
    consume(topology.PAYMENT_AGENT_REGISTERED, owners.on_agent_registered)
    consume(topology.PAYMENT_AGENT_UPDATED, owners.on_agent_updated)
    service.every(ATTRIBUTE_EVERY_S, partial(owners.attribute, db))
    service.every(settings.card_poll_s, partial(settling.settle_due, db, settings))
    if stripe is not None:
        service.every(settings.card_poll_s, partial(onboarding.look_due, db, stripe, settings))
    service.every(settings.card_poll_s, partial(paying.work, db, stripe, settings))
    service.every(settings.card_poll_s, partial(paying.schedule, db, settings))


def _tell(service: Service, settings: Settings) -> None:
    """Webhooks."""
    db, answer, consume = service.database, service.answer, service.consume
    http = Outbound(settings.webhook_hosts)
    key = settings.webhook_key
    sealed = signing.Sealed(key.get_secret_value()) if key else None
    listening = telling.Listening(db)
    add = partial(hooks.add_webhook, db=db, http=http, sealed=sealed, listening=listening)
    answer(hook_calls.ADD_WEBHOOK, add)
    add_push = partial(pushes.add_push, db=db, http=http, sealed=sealed, listening=listening)
    answer(push_calls.ADD_PUSH, add_push)
    answer(push_calls.LIST_PUSHES, pushes.list_pushes)
    answer(push_calls.DELETE_PUSH, pushes.delete_push)
    answer(hook_calls.LIST_WEBHOOKS, hooks.list_webhooks)
    answer(hook_calls.DELETE_WEBHOOK, hooks.delete_webhook)
    answer(hook_calls.LIST_DELIVERIES, hooks.list_deliveries)
    answer(hook_calls.REPLAY_DELIVERIES, hooks.replay_deliveries)
    ended = partial(telling.on_task_completed, db=db, listening=listening)
    consume(topology.PAYMENT_TASK_COMPLETED, ended)
    failed = partial(telling.on_task_failed, db=db, listening=listening)
    consume(topology.PAYMENT_TASK_FAILED, failed)
    consume(topology.PAYMENT_AGENT_SUSPENDED, telling.on_agent_suspended)
    service.at_start(listening.look)
    service.at_end(http.aclose)
    service.every(LISTENING_EVERY_S, listening.look)
    service.every(settings.card_poll_s, partial(sending.work, db, http, sealed, settings))
    service.every(settings.card_poll_s, partial(asking.work, db, service.bus))
    service.every(AGE_EVERY_S, partial(sending.forget, db))
    service.every(AGE_EVERY_S, partial(asking.forget, db))


def _pay_by_machine(service: Service, settings: Settings) -> None:
    """Payments by machines: for calls that a wallet does not cover, and to agents."""
    taking = paying = None
    if settings.machine:
        with as_deep_as_before():
            # The libraries behind it take more memory than all else of the service, and change a
            # limit of the process: who is paid by nobody's machine does not load them.
            from payment_svc.machine.wiring import machine_of  # noqa: PLC0415  (many megabytes, for some)

        machine = machine_of(settings, service.database)
        taking, paying = machine.taking, machine.paying
        service.at_end(machine.close)
        if taking is not None:
            service.every(settings.card_poll_s, taking.receiving.sweep)
    answer = service.answer
    answer(machine_calls.OFFER_MACHINE_PAYMENT, partial(desk.offer, taking=taking))
    answer(machine_calls.TAKE_MACHINE_PAYMENT, partial(desk.take, taking=taking))
    answer(machine_calls.PAY_AGENT, partial(desk.pay_agent, paying=paying))
