"""A turn's beginning: from the person's words to a plan, and from the plan to orders."""

import asyncio
from typing import Annotated

import structlog

from chassis.bus import MAX_MESSAGE_BYTES, Bus, encoded
from chassis.database import Database, Transaction
from chassis.delivery import Here
from chassis.given import Given
from chat_svc import store
from chat_svc.domain import MAX_AGENTS_PER_STEP, Choice, Progress, Work, message_id_of, spec
from chat_svc.planner import Candidate, Plan, payload_for, plan
from chat_svc.turn import finish
from contracts.chat import PlannedStep, PlanProposed, Think
from contracts.envelope import Envelope
from contracts.errors import Invalid
from contracts.orders import StartTask
from contracts.registry import LIST_AGENTS, AgentView, ListAgents
from contracts.topology import Durable

log = structlog.get_logger()
RULES = "rules"
MAX_AGENTS = 2_000
MOST_ORDER_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""The most that an order may weigh by itself; it travels with a little more."""
TOO_LONG = "Your message is too long for all these steps: please ask for less at once."


async def on_think(
    order: Think,
    db: Annotated[Database, Given("db")],
    bus: Annotated[Bus, Given("bus")],
    durable: Annotated[Durable, Given("durable")],
    here: Here,
) -> None:
    """Plan the turn; start its task, or answer at once when nobody is to be called."""
    async with db.transaction() as tx:
        turn = await store.find_turn(tx.conn, order.turn_id)
        previous = await store.last_result(tx.conn, turn.account) if turn else None
    if turn is None:
        raise Invalid(f"no turn {order.turn_id}")
    if turn.status != "thinking":
        return
    agents = [_candidate(agent) for agent in await _list_agents(bus, here)]
    # Planning is pure but may take a while on a long text; the event loop must not wait for it.
    found = await asyncio.to_thread(plan, turn.content, agents, turn.max_budget, previous)
    async with db.effect(durable.name, here) as tx:
        turn = await store.find_turn(tx.conn, order.turn_id, lock=True)
        if turn is None or turn.status != "thinking":
            return
        if found.steps:
            await _act(tx, turn, _progress(found, agents))
        else:
            text = "\n\n".join([found.reply or "", *found.notes]).strip()
            await finish(tx, turn, text, with_task=False)


async def _list_agents(bus: Bus, here: Envelope) -> list[AgentView]:
    agents: list[AgentView] = []
    cursor: str | None = None
    while len(agents) < MAX_AGENTS:
        page = await bus.ask(LIST_AGENTS, ListAgents(limit=500, cursor=cursor), here)
        agents += page.agents
        cursor = page.next_cursor
        if cursor is None:
            break
    return agents


def _candidate(agent: AgentView) -> Candidate:
    return Candidate(
        id=agent.id,
        name=agent.name,
        description=agent.description,
        skills=tuple(agent.skills),
        capabilities=tuple(agent.capabilities),
        base_price=agent.base_price,
        dynamic_price=agent.dynamic_price,
        load=agent.load,
        rating=agent.rating,
        available=agent.availability,
        input_schema=agent.input_schema,
        negotiable=agent.negotiable,
    )


def _progress(found: Plan, agents: list[Candidate]) -> Progress:
    by_id = {agent.id: agent for agent in agents}
    works = [
        Work(
            skill=step.skill,
            choices=[
                Choice(
                    agent_id=id_,
                    agent_name=by_id[id_].name,
                    payload=payload_for(by_id[id_], step.skill, step.text, step.options),
                )
                for id_ in (step.agent_id, *step.alternatives)[:MAX_AGENTS_PER_STEP]
            ],
            depends_on=list(step.depends_on),
        )
        for step in found.steps
    ]
    return Progress(
        orchestrator=RULES,
        works=works,
        notes=list(found.notes),
        required_skills=list(found.required_skills),
    )


async def _act(tx: Transaction, turn: store.Found, progress: Progress) -> None:
    specs = [spec(progress, turn.id, index) for index in range(len(progress.works))]
    order = StartTask(
        task_id=turn.task_id,
        turn_id=turn.id,
        user_query=turn.content,
        required_skills=progress.required_skills,
        max_budget=turn.max_budget,
        steps=specs,
    )
    if len(encoded(order)) > MOST_ORDER_BYTES:
        await finish(tx, turn, TOO_LONG, with_task=False)
        return
    await store.update_turn(
        tx.conn, turn.id, status="acting", progress=progress.model_dump(mode="json")
    )
    await store.tell_task(tx.conn, message_id_of(turn.id), turn.task_id)
    tx.publish(
        PlanProposed(
            turn_id=turn.id,
            task_id=turn.task_id,
            orchestrator=progress.orchestrator,
            steps=[PlannedStep(step_id=s.id, agent_id=s.agent_id, skill=s.skill) for s in specs],
        ),
        order,
    )
