"""A person at the chat, the agents that the person needs, and an ear for the end of each turn."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from nats.aio.msg import Msg
from nats.js.api import ConsumerInfo

from chassis.bus.envelopes import enclose, new_id, origin
from chassis.service import Service
from chat_svc.domain import task_id_of
from contracts.base import Event
from contracts.catalogue import EVENTS as KINDS
from contracts.chat import (
    LIST_MESSAGES,
    POST_MESSAGE,
    MessageView,
)
from contracts.envelope import Envelope
from contracts.errors import Refusal
from contracts.registry import REGISTER_AGENT
from contracts.task import StepView, TaskView
from contracts.topology import DURABLES, EVENTS, Durable
from contracts.turns import CANCEL_TURN, CancelledTurn
from registry_svc.handlers.probes import probe_due
from tests.support.bound import bound
from tests.support.polling import eventually
from tests.support.scripted_agent import Behaviour, ScriptedAgent
from tests.support.streams import settled
from tests.support.system import Said, System

NOTHING = Decimal(0)
PAYMENTS = """
    SELECT (SELECT coalesce(sum(amount), 0) FROM payment.bazaarbucks_payments WHERE task_id = $1),
           (SELECT coalesce(sum(amount), 0) FROM payment.stripe_payments WHERE task_id = $1),
           (SELECT coalesce(sum(held), 0) FROM payment.holds WHERE task_id = $1 AND status = 'held')
"""


@dataclass(frozen=True)
class End:
    """The end of a turn, and everything that it is about as it was at that very moment."""

    turn_id: str
    message: MessageView
    task: TaskView | None
    steps: list[StepView]
    paid: Decimal
    by_card: Decimal
    held: Decimal

    @property
    def text(self) -> str:
        return self.message.content

    @property
    def bill(self) -> dict[str, Decimal]:
        """What each agent cost, by its name."""
        found = self.message.cost_breakdown
        return {line.agent: line.cost for line in found.subtasks} if found else {}

    @property
    def total(self) -> Decimal:
        """What the turn cost: by the message, the task, its steps and its payments alike."""
        assert self.task is not None
        found = self.message.cost_breakdown
        total = found.total if found else NOTHING
        assert total == sum(self.bill.values(), NOTHING)
        assert total == self.task.total_cost
        assert total == sum((step.cost + step.external_cost for step in self.steps), NOTHING)
        assert total == self.paid + self.by_card
        assert self.held == NOTHING
        return total

    @property
    def status(self) -> str:
        """How the task ended; none of its steps is open."""
        assert self.task is not None
        assert all(step.status in ("completed", "failed") for step in self.steps)
        return self.task.status


@dataclass(frozen=True)
class Listed:
    """An agent of the marketplace."""

    id: str
    name: str
    does: ScriptedAgent


@dataclass
class Talk:
    """A client of the four services."""

    system: System
    registry: Service
    ends: dict[str, list[End]] = field(default_factory=dict)
    _heard: set[str] = field(default_factory=set)

    async def hear(self, said: Msg) -> None:
        """Look at everything right when a turn has ended; a message may leave again, as itself."""
        id_ = (said.headers or {})["ce-id"]
        if id_ in self._heard:
            return
        self._heard.add(id_)
        body, account = json.loads(said.data), (said.headers or {})["ce-account"]
        task_id, task, steps, sums = body.get("taskId"), None, [], (NOTHING, NOTHING, NOTHING)
        if task_id:
            with contextlib.suppress(Refusal):  # the task service may be away
                task = await self.system.task(account, task_id)
                steps = await self.system.steps(account, task_id)
            ((sums),) = await self.system.rows(PAYMENTS, task_id)
        message = MessageView.model_validate(body["message"])
        end = End(body["turnId"], message, task, steps, *sums)
        self.ends.setdefault(end.turn_id, []).append(end)

    def cause(self, account: str) -> Envelope:
        """On whose behalf something is asked."""
        return origin("test", "test", account)

    async def say(self, account: str, content: str, **more: Any) -> str:
        """Post a message; the id of its turn."""
        request = {"turn_id": f"turn-{new_id()}", "content": content} | more
        reply = await self.system.ask(POST_MESSAGE, account, **request)
        return reply.turn_id

    async def end(self, turn_id: str) -> End:
        """Wait until a turn has ended."""

        async def ended() -> list[End]:
            return self.ends.get(turn_id, [])

        return (await eventually(ended))[0]

    async def reply(self, account: str, content: str, **more: Any) -> End:
        """Say something and wait for the answer."""
        return await self.end(await self.say(account, content, **more))

    async def cancel(self, account: str, **which: Any) -> CancelledTurn:
        """Cancel a turn, by its id or its task's."""
        return await self.system.ask(CANCEL_TURN, account, **which)

    async def messages(self, account: str, **page: Any) -> list[MessageView]:
        return (await self.system.ask(LIST_MESSAGES, account, **page)).messages

    async def turn(self, turn_id: str) -> dict[str, Any]:
        """A turn as it is stored."""
        (row,) = await self.system.rows("SELECT * FROM chat.turns WHERE id = $1", turn_id)
        return dict(row)

    async def turn_is(self, turn_id: str, status: str) -> None:
        """Wait until a turn is so far."""

        async def so() -> bool:
            return bool((await self.turn(turn_id))["status"] == status)

        await eventually(so)

    async def run_out(self, *turn_ids: str) -> None:
        """Let the time of turns be over now."""
        query = "UPDATE chat.turns SET deadline_at = now() - interval '1 ms' WHERE id = ANY($1)"
        await self.system.rows(query, list(turn_ids))

    async def publish(self, account: str, event: Event, **headers: str) -> None:
        """Say something as the context that it belongs to would; `headers` instead of its own."""
        source = next(context for context, events in KINDS.items() if type(event) in events)
        sent = enclose(event, source, self.cause(account), None)
        client = await self.system.bus.client()
        await client.jetstream().publish(
            sent.subject,
            sent.body,
            stream=EVENTS.name,
            headers={**sent.headers, **headers},
        )

    async def consumer(self, durable: Durable) -> ConsumerInfo:
        """What the server knows of a consumer."""
        client = await self.system.bus.client()
        found: ConsumerInfo = await client.jetstream().consumer_info(durable.stream, durable.name)
        return found

    async def waits(self, durable: Durable) -> bool:
        """Whether a message of a durable was put off."""
        context = durable.name.split("-")[0]
        query = f"SELECT FROM {context}.waiting WHERE consumer = $1"
        return bool(await self.system.rows(query, durable.name))

    async def quiet(self) -> None:
        """Wait until the chat service has dealt with everything that was said."""

        client = await self.system.bus.client()

        async def idle(durable: Durable) -> bool:
            done = await settled(client.jetstream(), durable.stream, durable.name)
            return done and not await self.waits(durable)

        for durable in DURABLES:
            if durable.name.startswith("chat-"):
                await eventually(partial(idle, durable))

    def events(self, turn_id: str, type_: str = "") -> list[Said]:
        """What was said about a turn and its task, oldest first."""
        return [
            *self.system.events(turn_id, type_),
            *self.system.events(task_id_of(turn_id), type_),
        ]

    @contextlib.asynccontextmanager
    async def agent(
        self, skill: str, *script: Behaviour, price: Any = "0.10", **more: Any
    ) -> AsyncIterator[Listed]:
        """An agent that can do one thing, listed and found to be available."""
        id_ = f"agent-{new_id()[:12]}"
        async with ScriptedAgent(*script, **more) as does:
            listed = Listed(id_, f"The {id_}", does)
            await self.enlist(listed, skill, price)
            if more.get("haggles"):
                await self.system.known_to_negotiate(id_)
            yield listed

    async def enlist(self, listed: Listed, skill: str, price: Any) -> None:
        """List an agent, and have the registry probe it at once."""
        await self.system.ask(
            REGISTER_AGENT,
            "demo",
            id=listed.id,
            endpoint_url=listed.does.url,
            name=listed.name,
            description="",
            skills=[skill],
            base_price=price,
        )
        settings, http = self.registry.settings, bound(self.registry, "http")
        await probe_due(self.registry.database, http, getattr(settings, "probe_every_s", 1.0))

        async def available() -> bool:
            return (await self.system.listed(listed.id)).availability

        await eventually(available)
