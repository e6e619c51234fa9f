"""What other services do with the registry: ask it, and publish and read events."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

from nats.js import JetStreamContext
from sqlalchemy import event, func, update

from chassis.bus.calls import Bus
from chassis.bus.envelopes import origin
from chassis.db.database import Database
from chassis.outbound import Outbound
from chassis.service import Service
from contracts import envelope
from contracts.base import Call, Event, ReplyT, RequestT
from contracts.registry import GET_AGENT, LIST_AGENTS, AgentView
from contracts.task import FailureReason
from contracts.task_events import StepCompleted, StepFailed, StepStarted
from registry_svc import agents_http, store, tables
from registry_svc.settings import Settings
from tests.chassis.raw_agent import RawAgent
from tests.registry.little_agent import LittleAgent
from tests.support.stack import Stack
from tests.support.streams import Stored, settled, stored

NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens."""
HERE = "127.0.0.1,localhost"
"""The tests' own agents are in a private network."""

Replica = Callable[..., AbstractAsyncContextManager[Service]]


def registry_settings(stack: Stack, **settings: Any) -> Settings:
    urls = {name: NOWHERE for name in Settings.model_fields if name.endswith("_url")}
    stores = {"nats_url": stack.nats_url, "database_url": stack.database_url("registry")}
    return Settings.model_validate(
        {
            **urls,
            "agent_hosts": HERE,
            "database_pool": 8,
            "probe_every_s": 0.2,
            **stores,
            **settings,
        }
    )


def asking() -> aclosing[Outbound]:
    """The client that probes use, by itself."""
    return aclosing(agents_http.client(["127.0.0.1"]))


class Client:
    def __init__(self, bus: Bus, js: JetStreamContext) -> None:
        self._bus = bus
        self._js = js

    async def ask(self, call: Call[RequestT, ReplyT], **request: Any) -> ReplyT:
        asked = call.request.model_validate(request)
        return await self._bus.ask(call, asked, origin("test", "test"))

    async def agent(self, agent_id: str) -> AgentView:
        return (await self.ask(GET_AGENT, agent_id=agent_id)).agent

    async def agents(self) -> list[AgentView]:
        return (await self.ask(LIST_AGENTS)).agents

    async def publish(self, *events: Event, id_: str | None = None) -> None:
        """Publish events; with `id_`, as another delivery of the message with this id."""
        for message in events:
            sent = origin("task", f"{message.type}.v1")
            headers = sent.headers() | ({envelope.ID: id_} if id_ else {})
            await self._js.publish(
                message.subject(),
                message.model_dump_json().encode(),
                stream="EVENTS",
                headers=headers,
            )

    async def handled(self) -> bool:
        """Whether the registry has settled every event."""
        for name in ("started", "completed", "failed"):
            if not await settled(self._js, "EVENTS", f"registry-step-{name}"):
                return False
        return True

    async def published(self, event: str) -> list[Stored]:
        """The registry's own events, by what follows `agent.` in their subject, oldest first."""
        return await stored(self._js, "EVENTS", f"bazaar.evt.agent.{event}")

    async def several(self, event: str, at_least: int) -> list[Stored]:
        """These events when there are enough of them, else none."""
        found = await self.published(event)
        return found if len(found) >= at_least else []

    async def dead_letters(self) -> int:
        return (await self._js.stream_info("DEADLETTER")).state.messages


def started(agent_id: str, step: str = "s1") -> StepStarted:
    return StepStarted(task_id="t1", step_id=step, agent_id=agent_id)


def completed(agent_id: str, step: str = "s1", ms: int = 120) -> StepCompleted:
    return StepCompleted.model_validate(
        {
            "task_id": "t1",
            "step_id": step,
            "agent_id": agent_id,
            "subtask_type": "general",
            "result": "done",
            "cost": "0.12",
            "external_cost": "0",
            "billed": "0.12",
            "requires_external_tool": False,
            "execution_time": ms,
        }
    )


def failed(
    agent_id: str, reason: FailureReason, step: str = "s1", *, started: bool = True
) -> StepFailed:
    return StepFailed(
        task_id="t1",
        step_id=step,
        agent_id=agent_id,
        reason=reason,
        error="it failed",
        started=started,
    )


def database(stack: Stack) -> Database:
    settings = registry_settings(stack)
    return Database(settings.database_url, tables.metadata, pool=8, relay_workers=1)


async def registered(
    db: Database, agent: LittleAgent | RawAgent, agent_id: str = "haiku", path: str = ""
) -> None:
    async with db.transaction() as tx:
        await store.insert_new(
            tx.conn,
            [
                {
                    "id": agent_id,
                    "name": "Haiku Agent",
                    "description": "",
                    "skills": ["haiku"],
                    "capabilities": [],
                    "base_price": 1,
                    "endpoint_url": agent.url + path,
                }
            ],
        )


async def set_all(db: Database, **columns: Any) -> None:
    """Set columns of every agent."""
    async with db.transaction() as tx:
        await tx.conn.execute(update(tables.agents).values(columns))


async def due(db: Database) -> None:
    """Let time pass until every agent's probe is due."""
    await set_due(db, func.now())


async def set_due(db: Database, at: Any) -> None:
    """Say when every agent's probe is due."""
    async with db.transaction() as tx:
        await tx.conn.execute(update(tables.agent_probes).values(due_at=at))


def listen(db: Database, statements: list[str]) -> None:
    def executed(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", executed)
