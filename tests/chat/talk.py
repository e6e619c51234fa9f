"""A marketplace to talk to: the four services, and what is true at the moment a turn ends."""

import contextlib
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from nats.aio.msg import Msg

from chassis.envelopes import new_id
from chassis.service import Service
from chat_svc.app import build as build_chat
from chat_svc.domain import task_id_of
from chat_svc.settings import Settings as ChatSettings
from contracts.chat import LIST_MESSAGES, POST_MESSAGE, MessageView
from contracts.registry import REGISTER_AGENT
from contracts.task import StepView, TaskView
from registry_svc.app import build as build_registry
from registry_svc.handlers.probes import probe_due
from registry_svc.settings import Settings as RegistrySettings
from tests.conftest import Stack
from tests.task.scripted_agent import ScriptedAgent
from tests.task.services import NOWHERE, eventually
from tests.task.system import System

SELDOM_S = 600.0
NOTHING = Decimal(0)


def chat_settings(stack: Stack, **settings: Any) -> ChatSettings:
    """As in production, but quick to look after overdue turns."""
    url = stack.database_url("chat")
    wanted = {"nats_url": stack.nats_url, "database_url": url, "watch_s": 0.1} | settings
    return ChatSettings.model_validate(wanted)


def chat_service(stack: Stack, **settings: Any) -> Service:
    return build_chat(chat_settings(stack, **settings))


def registry_service(stack: Stack) -> Service:
    """A registry whose own probes are rare: a test has its agents probed when it lists them."""
    urls = {name: NOWHERE for name in RegistrySettings.model_fields if name.endswith("_url")}
    stores = {"nats_url": stack.nats_url, "database_url": stack.database_url("registry")}
    return build_registry(
        RegistrySettings.model_validate({**urls, **stores, "probe_every_s": SELDOM_S})
    )


def new_skill() -> str:
    """A word for a skill that nobody else has, and that no language knows."""
    return "vq" + "".join(random.choices("bdfghjklmnpqvwxz", k=8))


@dataclass(frozen=True)
class End:
    """The end of a turn, and everything that it is about as it was at that very moment."""

    message: MessageView
    turn_id: str
    task: TaskView | None
    steps: list[StepView]
    paid: Decimal
    by_card: Decimal

    @property
    def text(self) -> str:
        return self.message.content

    @property
    def total(self) -> Decimal:
        bill = self.message.cost_breakdown
        return bill.total if bill else NOTHING

    @property
    def bill(self) -> dict[str, Decimal]:
        """What each agent cost, by its name."""
        found = self.message.cost_breakdown
        return {line.agent: line.cost for line in found.subtasks} if found else {}

    def check(self, status: str) -> None:
        """The task has ended so, and all sums are the same."""
        assert self.task is not None
        assert self.task.status == status
        steps = sum((step.cost + step.external_cost for step in self.steps), NOTHING)
        assert self.total == self.task.total_cost == steps == self.paid + self.by_card
        assert all(step.status in ("completed", "failed") for step in self.steps)


@dataclass(frozen=True)
class Listed:
    """An agent of the marketplace."""

    id: str
    name: str
    agent: ScriptedAgent


@dataclass
class Talk:
    """A person at the chat, an ear on the bus, and the agents that the person needs."""

    system: System
    registry: Service
    ends: dict[str, list[End]] = field(default_factory=dict)

    async def hear(self, said: Msg) -> None:
        """Look at everything right when a turn has ended."""
        body, account = json.loads(said.data), (said.headers or {})["ce-account"]
        task_id, task, steps = body.get("taskId"), None, []
        if task_id:
            with contextlib.suppress(Exception):
                task = await self.system.task(account, task_id)
                steps = await self.system.steps(account, task_id)
        paid, by_card = await self.payments(task_id)
        message = MessageView.model_validate(body["message"])
        end = End(message, body["turnId"], task, steps, paid, by_card)
        self.ends.setdefault(end.turn_id, []).append(end)

    async def payments(self, task_id: str | None) -> tuple[Decimal, Decimal]:
        """What was paid for a task in BazaarBucks and by card."""
        query = """
            SELECT (SELECT coalesce(sum(amount), 0) FROM payment.bazaarbucks_payments
                    WHERE task_id = $1),
                   (SELECT coalesce(sum(amount), 0) FROM payment.stripe_payments
                    WHERE task_id = $1)
        """
        ((paid, by_card),) = await self.system.rows(query, task_id)
        return paid, by_card

    async def say(self, account: str, content: str, **more: Any) -> str:
        """Post a message; the id of its turn."""
        turn_id = f"turn-{new_id()}"
        await self.system.ask(
            POST_MESSAGE, account, **{"turn_id": turn_id, "content": content} | more
        )
        return str(more.get("turn_id", turn_id))

    async def end(self, turn_id: str) -> End:
        """Wait until a turn has ended."""

        async def ended() -> list[End]:
            return self.ends.get(turn_id, [])

        return (await eventually(ended))[0]

    async def reply(self, account: str, content: str, **more: Any) -> End:
        """Say something and wait for the answer."""
        return await self.end(await self.say(account, content, **more))

    async def messages(self, account: str, **page: Any) -> list[MessageView]:
        return (await self.system.ask(LIST_MESSAGES, account, **page)).messages

    async def turn(self, turn_id: str) -> dict[str, Any]:
        """A turn as it is stored."""
        query = "SELECT * FROM chat.turns WHERE id = $1"
        (row,) = await self.system.rows(query, turn_id)
        return dict(row)

    @contextlib.asynccontextmanager
    async def agent(
        self, skill: str, *script: Any, price: Any = "0.10", name: str | None = None
    ) -> AsyncIterator[Listed]:
        """An agent that can do one thing, listed and found to be available."""
        id_ = f"agent-{new_id()[:12]}"
        async with ScriptedAgent(*script) as agent:
            listed = Listed(id_, name or f"The {id_}", agent)
            await self.enlist(listed, skill, price)
            yield listed

    async def enlist(self, listed: Listed, skill: str, price: Any) -> None:
        await self.system.ask(
            REGISTER_AGENT,
            "demo",
            id=listed.id,
            endpoint_url=listed.agent.url,
            name=listed.name,
            description="",
            skills=[skill],
            base_price=price,
        )
        http = self.registry.context.get("http")
        await probe_due(self.registry.database, http, SELDOM_S)

        async def available() -> bool:
            return (await self.system.listed(listed.id)).availability

        await eventually(available)

    def task_events(self, turn_id: str, type_: str = "") -> list[Any]:
        return self.system.events(task_id_of(turn_id), type_)
