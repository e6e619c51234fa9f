"""The registry's table of contents.

Answers list_agents, find_agents, choose_agents, get_agent; list_agent, change_listing,
import_agents, register_agent, close_listings; rate_task.
Consumes step.started, step.completed, step.failed, payment.refunded.
Publishes agent.registered, agent.updated, agent.suspended, agent.retired,
agent.availability_changed, agent.repriced.
By itself: lists the six agents of the first start, probes every agent's /health, reads what they
say of themselves, and has the task service count what agents have in hand.
"""

from asyncio import Semaphore
from functools import partial

from chassis.db.groups import GroupCommit
from chassis.service import Service
from contracts import listings, registry, topology
from registry_svc import agents_http, measures, tables
from registry_svc.handlers import (
    closing,
    finding,
    importing,
    indexing,
    listing,
    owning,
    probes,
    queries,
    rating,
    reconcile,
    steps,
)
from registry_svc.pacing import Pacing
from registry_svc.settings import Settings


def build(settings: Settings) -> Service:
    """The registry, wired but not started."""
    # A word that all agents have is looked for in another way than one that few have.
    service = Service("registry", settings, tables.metadata, planned_each=True)
    db = service.database
    http = agents_http.client(settings.agent_hosts)
    stars = indexing.Stars(db)
    tallies = GroupCommit(db, partial(steps.count, stars=stars), apart_s=steps.APART_S)
    answer, consume = service.answer, service.consume

    answer(registry.LIST_AGENTS, queries.list_agents)
    answer(registry.GET_AGENT, queries.get_agent)
    answer(listings.FIND_AGENTS, finding.find_agents)
    weights = settings.choice_weights
    answer(listings.CHOOSE_AGENTS, partial(finding.choose_agents, weights=weights))
    turns = Semaphore(listing.LISTED_AT_ONCE)
    answer(listings.LIST_AGENT, partial(owning.list_agent, db=db, http=http, turns=turns))
    answer(listings.CHANGE_LISTING, partial(owning.change_listing, db=db, http=http, turns=turns))
    answer(listings.IMPORT_AGENTS, partial(importing.import_agents, db=db, http=http, turns=turns))
    answer(listings.CLOSE_LISTINGS, closing.close_listings)
    answer(registry.REGISTER_AGENT, partial(listing.register_agent, db=db, http=http, turns=turns))
    answer(registry.RATE_TASK, rating.rate_task)

    consume(topology.REGISTRY_STEP_STARTED, partial(steps.on_step_started, tallies=tallies))
    consume(topology.REGISTRY_STEP_COMPLETED, partial(steps.on_step_completed, tallies=tallies))
    consume(topology.REGISTRY_STEP_FAILED, partial(steps.on_step_failed, tallies=tallies))
    given_back = partial(steps.on_payment_refunded, tallies=tallies)
    consume(topology.REGISTRY_PAYMENT_REFUNDED, given_back)

    service.at_end(http.aclose)

    every_s = settings.probe_every_s
    pacing = Pacing(every_s, settings.probes_per_s)
    service.at_start(partial(listing.list_seeds, db, settings.agent_urls()))
    service.at_start(partial(probes.plan_missing, db, pacing))
    service.every(probes.MISSING_EVERY_S, partial(probes.plan_missing, db, pacing))
    service.at_start(partial(probes.first_look, db, http, every_s))
    service.every(probes.look_every_s(every_s), partial(probes.probe_paced, db, http, pacing))
    every_read_s = settings.read_again_every_s
    look_s = min(every_read_s, importing.LOOK_S)
    service.every(indexing.UNFOUND_EVERY_S, partial(indexing.index_unfound, db))
    service.every(look_s, partial(importing.read_due, db, http, every_read_s))
    service.every(indexing.STARS_EVERY_S, stars.note)
    put_right = partial(reconcile.count_again, db, service.bus)
    service.every(settings.reconcile_s, put_right)
    service.readings.add(measures.read_agents)
    return service
