"""The task service's table of contents.

Answers create_task, get_task, list_tasks, list_steps, invoke_agent, negotiate, cancel_task, and for
those who did not hear of something tell_ends and count_running.
Consumes the orders task.start, task.add_steps, task.finish, and payment.refunded and
payment.entered; hears of agents that change.
Publishes task.created, task.started, task.completed, task.failed, task.cancelled, step.started,
step.completed, step.failed, price.negotiated.
"""

from functools import partial

from chassis.aging import AGE_EVERY_S, age
from chassis.bus import answers, consumes
from chassis.service import Service
from contracts import cancelling as cancel
from contracts import negotiation, standing, task, topology
from task_svc import measures, store_aging, tables
from task_svc.agents import Agents
from task_svc.calls import LOOKS
from task_svc.handlers import (
    cancelling,
    given_up,
    invoke,
    negotiating,
    orders,
    payments,
    queries,
)
from task_svc.handlers import standing as asked_after
from task_svc.quotes import Quotes
from task_svc.runner import Runner
from task_svc.saga import Saga
from task_svc.settings import Settings
from task_svc.shares import Shares

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
    agents = Agents(settings)
    quotes = Quotes(service.bus)
    saga = Saga(service.database, service.bus, quotes, agents)
    runner = Runner(service.database, saga, settings)
    service.offer(settings=settings, saga=saga, runner=runner, agents=agents, quotes=quotes)
    service.offer(shares=Shares(settings))
    on = service.broker.subscriber

    on(**answers(task.CREATE_TASK))(queries.create_task)
    on(**answers(task.GET_TASK))(queries.get_task)
    on(**answers(task.LIST_TASKS))(queries.list_tasks)
    on(**answers(task.LIST_STEPS))(queries.list_steps)
    on(**answers(task.INVOKE_AGENT, workers=CALLERS))(invoke.invoke_agent)
    on(**answers(negotiation.NEGOTIATE, workers=CALLERS))(negotiating.negotiate)
    on(**answers(cancel.CANCEL_TASK))(cancelling.cancel_task)

    on(**answers(standing.TELL_ENDS, workers=ASKED_AFTER))(asked_after.tell_ends)
    on(**answers(standing.COUNT_RUNNING, workers=ASKED_AFTER))(asked_after.count_running)

    on(**consumes(topology.TASK_START))(orders.on_start)
    on(**consumes(topology.TASK_ADD_STEPS))(orders.on_add_steps)
    on(**consumes(topology.TASK_FINISH))(orders.on_finish)
    on(**consumes(topology.TASK_PAYMENT_REFUNDED))(payments.on_refunded)
    on(**consumes(topology.TASK_PAYMENT_ENTERED))(payments.on_entered)

    for durable in (topology.TASK_START, topology.TASK_ADD_STEPS, topology.TASK_FINISH):
        service.when_buried(durable, partial(given_up.on_given_up, service.database))

    service.at_start(quotes.listen)
    service.every(settings.sweep_s, runner.sweep)
    service.every(settings.lease_s / 3, runner.renew, to_the_end=True)
    service.every(settings.sweep_s / LOOKS, saga.calls.look, to_the_end=True)
    service.every(
        AGE_EVERY_S, partial(age, service.database, store_aging.strip_steps, settings.details_days)
    )
    service.at_stop(runner.close)
    service.at_end(partial(runner.drain, settings.drain_s))
    ask_after = partial(asked_after.ask_after_ends, service.database, service.bus, settings)
    service.every(settings.reconcile_s / 2, ask_after)
    service.at_end(agents.close)
    service.readings.add(measures.read_steps)
    return service
