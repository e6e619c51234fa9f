"""The payment service's table of contents.

Answers place_hold, extend_hold, get_task_account, list_bazaarbucks, list_stripe.
Consumes step.completed and step.failed.
Publishes hold.placed, hold.declined, hold.extended, hold.released, hold.overcharged,
payment.recorded, stripe_payment.updated, wallet.credited.
"""

from functools import partial

from chassis.bus import answers, consumes
from chassis.groups import GroupCommit
from chassis.service import Service
from contracts import payment, topology
from payment_svc import tables
from payment_svc.handlers import captures, holds, queries, releases, wallets
from payment_svc.settings import Settings


def build(settings: Settings) -> Service:
    """The payment service, wired but not started."""
    service = Service("payment", settings, tables.metadata)
    service.offer(captures=GroupCommit(service.database, captures.capture))
    on = service.broker.subscriber

    on(**answers(payment.PLACE_HOLD))(holds.place_hold)
    on(**answers(payment.EXTEND_HOLD))(holds.extend_hold)
    on(**answers(payment.GET_TASK_ACCOUNT))(queries.get_task_account)
    on(**answers(payment.LIST_BAZAARBUCKS))(queries.list_bazaarbucks)
    on(**answers(payment.LIST_STRIPE))(queries.list_stripe)

    on(**consumes(topology.PAYMENT_STEP_COMPLETED))(captures.on_step_completed)
    on(**consumes(topology.PAYMENT_STEP_FAILED))(releases.on_step_failed)

    service.at_start(
        partial(
            wallets.open_wallet, service.database, settings.wallet_account, settings.wallet_grant
        )
    )
    return service
