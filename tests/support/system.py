"""Everything around a task, for tests: the three services, accounts with money, agents, events."""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg
from faststream.nats import NatsBroker
from nats.aio.msg import Msg

from chassis.bus.calls import Bus
from chassis.bus.connecting import connect_options
from chassis.bus.envelopes import new_id, origin
from chassis.service import Service
from chassis.settings import BusSettings
from contracts.base import Call, Command, ReplyT, RequestT
from contracts.envelope import Envelope
from contracts.errors import NotFound, Refusal, TooSlow
from contracts.negotiation import NEGOTIATE, Negotiated
from contracts.orders import FinishTask
from contracts.payment import GET_TASK_ACCOUNT, TaskAccount
from contracts.registry import GET_AGENT, REGISTER_AGENT, AgentView
from contracts.task import (
    CREATE_TASK,
    GET_TASK,
    INVOKE_AGENT,
    LIST_STEPS,
    InvokeReply,
    StepView,
    TaskView,
)
from contracts.topology import DEADLETTER, TASK_ADD_STEPS, TASK_FINISH, TASK_START
from contracts.users import ADMIN
from payment_svc.ledger.wallets import open_wallet
from tests.support import streams
from tests.support.polling import eventually
from tests.support.scripted_agent import ScriptedAgent
from tests.support.stack import Stack


@dataclass(frozen=True)
class Said:
    """An event as it was heard on the bus."""

    type: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class System:
    """A client of the services, and an ear on the bus."""

    stack: Stack
    payment: Service
    bus: Bus
    heard: dict[str, list[Said]] = field(default_factory=lambda: defaultdict(list))
    _admin: asyncpg.Connection | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def close(self) -> None:
        if self._admin is not None:
            await self._admin.close()

    async def hear(self, message: Msg) -> None:
        """Keep a message once: it may leave again after a crash, as itself."""
        type_, _, about = message.subject.removeprefix("bazaar.evt.").rpartition(".")
        said = Said(type_, message.headers or {}, json.loads(message.data))
        if said.headers["ce-id"] not in (one.headers["ce-id"] for one in self.heard[about]):
            self.heard[about].append(said)

    def events(self, about: str, type_: str = "") -> list[Said]:
        """What was said about a task (or an agent, or an account), oldest first."""
        return [said for said in self.heard[about] if said.type.startswith(type_)]

    async def event(self, about: str, type_: str, count: int = 1) -> Said:
        """Wait until this was said so often, and return the last."""

        async def said() -> list[Said]:
            found = self.events(about, type_)
            return found if len(found) >= count else []

        return (await eventually(said))[-1]

    async def said(self, about: str, type_: str, count: int = 1) -> list[Said]:
        """All that was said like this, once it is so much.

        An event leaves after its transaction: who was answered may not have heard of it yet.
        """
        await self.event(about, type_, count)
        return self.events(about, type_)

    async def account(self, grant: Decimal | str = "100") -> str:
        """A new account with money in its wallet."""
        account = f"acc-{new_id()[:12]}"
        await open_wallet(self.payment.database, account, Decimal(grant))
        return account

    async def ask(self, call: Call[RequestT, ReplyT], account: str, **request: Any) -> ReplyT:
        asked = call.request.model_validate(request)
        return await self.bus.ask(call, asked, origin("test", "test", account))

    async def invoke(self, account: str, agent_id: str, **request: Any) -> InvokeReply:
        request = {"payload": {"text": "hi"}} | request
        return await self.ask(INVOKE_AGENT, account, agent_id=agent_id, **request)

    async def refusal(self, account: str, agent_id: str, **request: Any) -> Refusal:
        """The refusal that an invocation gets."""
        try:
            reply = await self.invoke(account, agent_id, **request)
        except Refusal as refused:
            return refused
        raise AssertionError(f"not refused, but answered {reply}")

    async def new_task(self, account: str, **fields: Any) -> TaskView:
        return (await self.ask(CREATE_TASK, account, **{"user_query": "do it"} | fields)).task

    async def task(self, account: str, task_id: str) -> TaskView:
        return (await self.ask(GET_TASK, account, task_id=task_id)).task

    async def steps(self, account: str, task_id: str) -> list[StepView]:
        return (await self.ask(LIST_STEPS, account, task_id=task_id)).steps

    async def money(self, account: str, task_id: str) -> TaskAccount:
        """What payment says of a task, when nothing of it is held any more."""

        async def settled() -> TaskAccount | None:
            found = await self.ask(GET_TASK_ACCOUNT, account, task_id=task_id)
            return found if not found.held else None

        found = await eventually(settled)
        assert found is not None
        return found

    async def paid(self, account: str, task_id: str) -> Decimal:
        """Wait until payment has captured what the task says it cost, and check every sum."""
        task = await self.task(account, task_id)
        steps = await self.steps(account, task_id)
        assert task.total_cost == sum((s.cost + s.external_cost for s in steps), Decimal(0))

        async def captured() -> bool:
            found = await self.ask(GET_TASK_ACCOUNT, account, task_id=task_id)
            return found.captured == task.total_cost and not found.held

        await eventually(captured)
        return task.total_cost

    async def wallet(self, account: str) -> tuple[Decimal, Decimal]:
        """What an account's wallet has, and how much of it is held."""
        query = "SELECT posted, held FROM payment.ledger_accounts WHERE id = $1"
        (row,) = await self.rows(query, f"wallet:{account}")
        return row["posted"], row["held"]

    async def rows(self, query: str, *args: Any) -> list[asyncpg.Record]:
        """What the database says to an administrator."""
        async with self._turn:
            if self._admin is None or self._admin.is_closed():
                self._admin = await asyncpg.connect(self.stack.admin_url)
            return list(await self._admin.fetch(query, *args))

    @contextlib.asynccontextmanager
    async def agent(
        self, *script: Any, price: Any = "0.10", skills: list[str] | None = None, **more: Any
    ) -> AsyncIterator[tuple[str, ScriptedAgent]]:
        """A listed agent with a script of its own, and its id."""
        agent_id = f"agent-{new_id()[:12]}"
        async with ScriptedAgent(*script, **more) as agent:
            await self.list_agent(agent_id, agent.url, price=price, skills=skills)
            yield agent_id, agent

    @contextlib.asynccontextmanager
    async def haggler(
        self, *script: Any, price: Any = "1", **more: Any
    ) -> AsyncIterator[tuple[str, ScriptedAgent]]:
        """A listed agent of which the registry knows that its price can be negotiated."""
        async with self.agent(*script, price=price, **more) as (agent_id, agent):
            await self.known_to_negotiate(agent_id)
            yield agent_id, agent

    async def known_to_negotiate(self, agent_id: str) -> None:
        """Wait until the registry has heard that an agent negotiates."""

        async def negotiable() -> bool:
            return (await self.listed(agent_id)).negotiable

        await eventually(negotiable)

    async def negotiate(self, account: str, agent_id: str, **fields: Any) -> Negotiated:
        """Negotiate; within reach is anything, unless `max_price` says otherwise."""
        request = {"negotiation_id": f"n-{new_id()[:10]}", "task_id": "t", "max_price": "1000"}
        return await self.ask(NEGOTIATE, account, agent_id=agent_id, **request | fields)

    async def list_agent(
        self, agent_id: str, url: str, *, price: Any = "0.10", skills: list[str] | None = None
    ) -> AgentView:
        reply = await self.ask(
            REGISTER_AGENT,
            "demo",
            id=agent_id,
            endpoint_url=url,
            name=f"Agent {agent_id}",
            description="Does as the script says.",
            skills=skills or ["general"],
            base_price=price,
        )
        return reply.agent

    async def listed(self, agent_id: str) -> AgentView:
        return (await self.ask(GET_AGENT, "demo", agent_id=agent_id)).agent

    async def order(
        self,
        account: str,
        *orders: Command,
        id_: str | None = None,
        deadline: datetime | None = None,
    ) -> Envelope:
        """Publish orders as an orchestrator does; with `id_`, as that very message again."""
        client = await self.bus.client()
        for order in orders:
            sent = origin("chat", f"{order.type}.v1", account)
            sent = sent.model_copy(update={"deadline": deadline})
            if id_:
                sent = sent.model_copy(update={"id": id_})
            headers = sent.headers() | {"Nats-Msg-Id": new_id()}
            await client.jetstream().publish(
                order.subject(),
                order.model_dump_json().encode(),
                stream="COMMANDS",
                headers=headers,
            )
        return sent

    async def finish(self, account: str, task_id: str, **more: Any) -> None:
        order = {"task_id": task_id, "outcome": "completed"} | more
        await self.order(account, FinishTask.model_validate(order))

    async def put_off(self, task_id: str) -> None:
        """Wait until an order for a task has been put off."""

        async def waits() -> bool:
            query = "SELECT FROM task.waiting WHERE subject LIKE 'bazaar.cmd.%' || $1"
            return bool(await self.rows(query, task_id))

        await eventually(waits)

    async def settled(self) -> None:
        """Wait until no order for the task service is waiting or in work."""
        js = (await self.bus.client()).jetstream()

        async def idle() -> bool:
            for durable in (TASK_START, TASK_ADD_STEPS, TASK_FINISH):
                if not await streams.settled(js, durable.stream, durable.name):
                    return False
            return True

        await eventually(idle)

    async def dead_letters(self) -> int:
        """How many orders for the task service were put aside."""
        js = (await self.bus.client()).jetstream()
        state = (await js.stream_info(DEADLETTER.name, subjects_filter="bazaar.dlq.>")).state
        found = state.subjects or {}
        return sum(n for subject, n in found.items() if subject.startswith("bazaar.dlq.task-"))

    async def ended(self, account: str, task_id: str) -> TaskView:
        """Wait for the end of a task."""

        async def over() -> TaskView | None:
            with contextlib.suppress(NotFound):
                task = await self.task(account, task_id)
                return task if task.status in ("completed", "failed") else None
            return None

        found = await eventually(over)
        assert found is not None
        return found

    async def step_is(self, account: str, task_id: str, step_id: str, status: str) -> StepView:
        """Wait until a step has a status."""

        async def so() -> StepView | None:
            found = {step.id: step for step in await self.known_steps(account, task_id)}
            step = found.get(step_id)
            return step if step is not None and step.status == status else None

        found = await eventually(so)
        assert found is not None
        return found

    async def known_steps(self, account: str, task_id: str) -> list[StepView]:
        """A task's steps; none while the task is not there yet, or the machine stands still."""
        try:
            return await self.steps(account, task_id)
        except (NotFound, TooSlow):
            return []


@contextlib.asynccontextmanager
async def listening(stack: Stack, payment: Service) -> AsyncIterator[System]:
    """A client on the bus that hears every event from now on."""
    options = connect_options(BusSettings(nats_url=stack.nats_url), "test")
    broker = NatsBroker(**options, logger=None)
    client = await broker.connect()
    system = System(stack, payment, Bus(broker, ADMIN))
    await client.subscribe("bazaar.evt.>", cb=system.hear)
    try:
        yield system
    finally:
        await system.close()
        await broker.stop()
