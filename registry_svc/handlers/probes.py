"""Probes: is every agent there, how busy is it, how is it called.

Replicas take turns: each claims what is due in one short transaction, asks over HTTP in none, and
writes only what changed.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any

import structlog

from chassis.bus.envelopes import origin
from chassis.db.database import Database
from chassis.outbound import Outbound
from contracts.errors import BadAnswer
from contracts.registry import AgentAvailabilityChanged
from registry_svc import agents_http, store, store_probes, store_words
from registry_svc.handlers.listing import updated
from registry_svc.pacing import Pacing
from registry_svc.reading import kept
from registry_svc.store_probes import Due
from registry_svc.vitals import Vitals, after_probe

log = structlog.get_logger()

AT_ONCE = 64
"""Some of them do not answer, and keep their places for as long as a probe may take."""
FIRST_LOOK_S = 3.0
MISSING_EVERY_S = 60.0


def look_every_s(every_s: float) -> float:
    """Seconds between two looks for what is due, when agents are probed every `every_s`."""
    return min(every_s, store_probes.SOONEST.total_seconds())


async def first_look(db: Database, http: Outbound, every_s: float) -> None:
    """Probe what is due before the first request is answered, but do not wait for it for long."""
    try:
        async with asyncio.timeout(FIRST_LOOK_S):
            await probe_due(db, http, every_s)
    except TimeoutError:
        log.info("some agents were not probed yet")


async def probe_paced(db: Database, http: Outbound, pacing: Pacing) -> None:
    """Probe agents whose turn it is, as many as may be now."""
    await probe_due(db, http, pacing.period_s, pacing)


async def probe_due(
    db: Database, http: Outbound, every_s: float, pacing: Pacing | None = None
) -> None:
    """Probe every agent whose turn it is, `AT_ONCE` at a time.

    One that fails may be due again while it is still being asked; it is not asked twice at once.

    Args:
        db: of the registry.
        http: for calls of agents.
        every_s: after so many seconds one that answers is due again.
        pacing: how many may begin now; all that are due without it.
    """
    every = timedelta(seconds=every_s)
    slots = asyncio.Semaphore(AT_ONCE)
    asking: set[str] = set()

    async def ask(agent: Due) -> None:
        await _probe(db, http, agent, every)
        asking.remove(agent.id)
        slots.release()

    async with asyncio.TaskGroup() as probing:
        while due := await _claim(db, every, pacing):
            for agent in due:
                if agent.id not in asking:
                    asking.add(agent.id)
                    await slots.acquire()
                    probing.create_task(ask(agent))


async def plan_missing(db: Database, pacing: Pacing) -> None:
    """Have those probed too that a release beside this one listed, and count all."""
    async with db.transaction() as tx:
        await store_probes.plan_missing(tx.conn)
        pacing.agents = await store_probes.count(tx.conn)


async def _claim(db: Database, every: timedelta, pacing: Pacing | None) -> list[Due]:
    at_most = pacing.room(AT_ONCE) if pacing else AT_ONCE
    if not at_most:
        return []
    async with db.transaction(at_once=True) as tx:
        due = await store_probes.claim_due(tx.conn, every, at_most)
    if pacing:
        pacing.spend(len(due))
    return due


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a probe saw: the load and interface of an agent that answered, or why it failed.

    Attributes:
        wait_s: how long it wants to be left alone.
    """

    load: int | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    why: str | None = None
    wait_s: float = 0.0

    def vitals(self, before: Vitals) -> Vitals:
        return after_probe(before, answered=self.why is None, reported_load=self.load)


async def _probe(db: Database, http: Outbound, agent: Due, every: timedelta) -> None:
    try:
        seen = await _look_at(http, agent)
        if seen.info or seen.wait_s or seen.vitals(agent.vitals) != agent.vitals:
            await _record(db, agent, seen, every)
    except Exception as error:  # noqa: BLE001  (it must not end the probes of the other agents)
        log.warning("probe came to nothing", agent_id=agent.id, error=error)


async def _look_at(http: Outbound, agent: Due) -> _Seen:
    try:
        if agent.protocol != "native":
            await agents_http.ask_presence(http, agent.endpoint_url)
            return _Seen()
        health = await agents_http.ask_health(http, agent.endpoint_url)
    except BadAnswer as silence:
        if isinstance(silence, agents_http.NotAllowed):
            _tell(agent.id, silence.message)
        wait_s = silence.wait_s if isinstance(silence, agents_http.AskLater) else 0.0
        return _Seen(why=silence.message, wait_s=wait_s)
    info: dict[str, Any] = {}
    if agent.vitals.failing or not agent.info_known:
        try:
            info = agents_http.interface(await agents_http.ask_info(http, agent.endpoint_url))
        except BadAnswer as silence:
            log.debug("no info", agent_id=agent.id, error=silence)
    if health.negotiable not in (None, info.get("negotiable", agent.negotiable)):
        # What it says at this moment goes before what it says of itself in general.
        info["negotiable"] = health.negotiable
    return _Seen(health.load, info)


@lru_cache(maxsize=1_000)  # Each is told once, and not at every probe.
def _tell(agent_id: str, why: str) -> None:
    log.warning("agent is not called", agent_id=agent_id, why=why)


async def _record(db: Database, probed: Due, seen: _Seen, every: timedelta) -> None:
    """Store what a probe saw, unless the agent has moved meanwhile, and say what changed."""
    async with db.transaction(origin("registry", "probe")) as tx:
        before = await store.find(tx.conn, probed.id, lock=True)
        if before is None or before.endpoint_url != probed.endpoint_url:
            return
        vitals = seen.vitals(before.vitals)
        usual = min(store_probes.SOONEST, every) if vitals.failing else every
        again = max(usual, timedelta(seconds=seen.wait_s))
        info = {name: said for name, said in seen.info.items() if name not in kept(before)}
        agent = await store_probes.set_probed(tx.conn, probed.id, vitals, info, again)
        was, now = before.view(), agent.view()
        if now.availability != was.availability:
            log.info("availability changed", agent_id=agent.id, to=agent.available)
            await store_words.copy(tx.conn, agent)
            tx.publish(
                AgentAvailabilityChanged(
                    agent_id=agent.id, availability=agent.available, reason=seen.why
                )
            )
        if (now.input_schema, now.negotiable) != (was.input_schema, was.negotiable):
            tx.publish(updated(agent))
