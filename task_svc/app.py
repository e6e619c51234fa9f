"""The task service's table of contents.

Answers create_task, get_task, list_tasks, list_steps, invoke_agent, ask_quote, negotiate,
cancel_task, list_signing_keys, set_credential, and for those who did not hear of something, or
were not heard, tell_ends, count_running and what_was_heard.
Consumes the orders task.start, task.add_steps, task.finish, and payment.refunded and
payment.entered; hears of agents that change.
Publishes task.created, task.started, task.completed, task.failed, task.cancelled, step.started,
step.progress, step.completed, step.failed, price.negotiated.
"""

from functools import partial

from chassis.db.aging import AGE_EVERY_S, age
from chassis.service import Service
from contracts import cancelling as cancel
from contracts import credentials as given
from contracts import negotiation, signing, standing, task, topology
from contracts import quotes as prices
from task_svc import measures, store_aging, tables
from task_svc.agents import Agents
from task_svc.calls import LOOKS
from task_svc.credentials import Credentials, Safe
from task_svc.handlers import (
    cancelling,
    given_up,
    invoke,
    making,
    negotiating,
    orders,
    payments,
    queries,
    quoting,
)
from task_svc.handlers import signing as signing_keys
from task_svc.handlers import standing as asked_after
from task_svc.handlers.credentials import set_credential
from task_svc.handlers.quoting import Seals
from task_svc.quotes import Quotes
from task_svc.restraint import Restraint
from task_svc.runner import Runner
from task_svc.saga import Saga
from task_svc.settings import Settings
from task_svc.shares import Shares
from task_svc.signing import Signer
from task_svc.taking import Taking
from task_svc.working import Working

CALLERS = 512
"""Requests that may wait for agents at once: many times the share of one account or agent. All they
hold meanwhile is memory, no connection to the database.
"""

ASKED_AFTER = 2
"""Requests of others' slow sweeps that are answered at once: they are not to hold anybody up."""

LAST_STEP_S = 10.0
"""How long a step may take beside its agent; whoever stops waits for the last one."""


def build(settings: Settings) -> Service:
    """The task service, wired but not started."""
    drain_s = max(settings.drain_s, settings.agent_timeout_s + LAST_STEP_S)
    settings = settings.model_copy(update={"drain_s": drain_s})
    service = Service("task", settings, tables.metadata)
    db, bus = service.database, service.bus
    signer = Signer.of(settings.call_signing_key)
    safe = Safe.of(settings.credentials_key)
    credentials = Credentials(db, safe)
    agents, quotes, shares = Agents(settings, signer, credentials), Quotes(bus), Shares(settings)
    restraint = Restraint()
    working = Working(db, bus, agents, restraint, settings.agent_timeout_s)
    tolerance, attempts = settings.price_tolerance, settings.agent_attempts
    saga = Saga(db, bus, quotes, restraint, working, tolerance, attempts)
    runner, seals = Runner(db, saga, settings), Seals(settings.quote_ttl_s)
    taking = Taking(runner.place, saga.at_once, runner.wake)
    saga.freed = taking.freed
    answer, consume = service.answer, service.consume

    maker = making.Making(partial(making.make, db))
    answer(task.CREATE_TASK, partial(making.create_task, db=db, making=maker, settings=settings))
    answer(task.GET_TASK, partial(queries.get_task, db=db, bus=bus))
    answer(task.LIST_TASKS, queries.list_tasks)
    answer(task.LIST_STEPS, queries.list_steps)
    answer(
        task.INVOKE_AGENT,
        partial(
            invoke.invoke_agent,
            db=db,
            saga=saga,
            runner=runner,
            settings=settings,
            shares=shares,
            seals=seals,
        ),
        workers=CALLERS,
    )
    answer(prices.ASK_QUOTE, partial(quoting.ask_quote, saga=saga, seals=seals), workers=CALLERS)
    answer(
        negotiation.NEGOTIATE,
        partial(negotiating.negotiate, db=db, agents=agents, quotes=quotes, shares=shares),
        workers=CALLERS,
    )
    answer(
        given.SET_CREDENTIAL,
        partial(set_credential, db=db, bus=bus, safe=safe, credentials=credentials),
    )
    answer(signing.LIST_SIGNING_KEYS, partial(signing_keys.list_signing_keys, signer=signer))
    answer(cancel.CANCEL_TASK, partial(cancelling.cancel_task, db=db, bus=bus))

    answer(standing.TELL_ENDS, partial(asked_after.tell_ends, db=db), workers=ASKED_AFTER)
    service.hands.vouches.append(partial(asked_after.answered_yet, db))
    answer(standing.COUNT_RUNNING, asked_after.count_running, workers=ASKED_AFTER)
    answer(standing.WHAT_WAS_HEARD, asked_after.what_was_heard, workers=ASKED_AFTER)

    consume(topology.TASK_START, partial(orders.on_start, taking=taking))
    consume(topology.TASK_ADD_STEPS, partial(orders.on_add_steps, taking=taking))
    consume(topology.TASK_FINISH, partial(orders.on_finish, db=db, bus=bus))
    consume(topology.TASK_PAYMENT_REFUNDED, payments.on_refunded)
    consume(topology.TASK_PAYMENT_ENTERED, payments.on_entered)

    for durable in (topology.TASK_START, topology.TASK_ADD_STEPS, topology.TASK_FINISH):
        service.when_buried(durable, partial(given_up.on_given_up, db))

    service.at_start(quotes.listen)
    service.at_start(partial(seals.learn, db))
    service.every(settings.sweep_s, runner.sweep)
    service.every(settings.lease_s / 3, runner.renew, to_the_end=True)
    service.every(settings.sweep_s / LOOKS, working.calls.look, to_the_end=True)
    service.every(AGE_EVERY_S, partial(age, db, store_aging.strip_steps, settings.details_days))
    service.at_stop(runner.close)
    service.at_end(partial(runner.drain, settings.drain_s))
    ask_after = partial(asked_after.ask_after_ends, db, bus, settings)
    service.every(settings.reconcile_s / 2, ask_after)
    service.at_end(agents.close)
    service.readings.add(measures.read_steps)
    return service
