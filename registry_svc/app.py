"""The registry's table of contents.

Answers list_agents, get_agent, register_agent, rate_task.
Consumes step.started, step.completed, step.failed, payment.refunded.
Publishes agent.registered, agent.updated, agent.availability_changed, agent.repriced.
By itself: lists the six agents of the first start, probes every agent's /health, and has the task
service count what agents have in hand.
"""

from functools import partial

from chassis.db.groups import GroupCommit
from chassis.service import Service
from contracts import registry, topology
from registry_svc import agents_http, measures, tables
from registry_svc.handlers import listing, probes, queries, rating, reconcile, steps
from registry_svc.settings import Settings


def build(settings: Settings) -> Service:
    """The registry, wired but not started."""
    service = Service("registry", settings, tables.metadata)
    db = service.database
    http = agents_http.client(settings.agent_hosts)
    tallies = GroupCommit(db, steps.count, apart_s=steps.APART_S)
    answer, consume = service.answer, service.consume

    answer(registry.LIST_AGENTS, queries.list_agents)
    answer(registry.GET_AGENT, queries.get_agent)
    answer(registry.REGISTER_AGENT, partial(listing.register_agent, db=db, http=http))
    answer(registry.RATE_TASK, rating.rate_task)

    consume(topology.REGISTRY_STEP_STARTED, partial(steps.on_step_started, tallies=tallies))
    consume(topology.REGISTRY_STEP_COMPLETED, partial(steps.on_step_completed, tallies=tallies))
    consume(topology.REGISTRY_STEP_FAILED, partial(steps.on_step_failed, tallies=tallies))
    given_back = partial(steps.on_payment_refunded, tallies=tallies)
    consume(topology.REGISTRY_PAYMENT_REFUNDED, given_back)

    service.at_end(http.aclose)

    every_s = settings.probe_every_s
    service.at_start(partial(listing.list_seeds, db, settings.agent_urls()))
    service.at_start(partial(probes.first_look, db, http, every_s))
    service.every(probes.look_every_s(every_s), partial(probes.probe_due, db, http, every_s))
    put_right = partial(reconcile.count_again, db, service.bus)
    service.every(settings.reconcile_s, put_right)
    service.readings.add(measures.read_agents)
    return service
