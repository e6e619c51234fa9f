"""The payment service as a process, and what a task service does with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from faststream.nats import NatsBroker

from chassis.bus.calls import Bus
from chassis.bus.envelopes import new_id, origin
from contracts.errors import Unavailable
from contracts.payment import PLACE_HOLD, PlaceHold
from contracts.task_events import StepCompleted
from contracts.users import ADMIN
from tests.support.polling import eventually
from tests.support.processes import ServiceProcess, process
from tests.support.stack import Stack, connected
from tests.support.streams import jetstream


def environment(stack: Stack, **more: object) -> dict[str, object]:
    return {
        "NATS_URL": stack.nats_url,
        "DATABASE_URL": stack.database_url("payment"),
        "DATABASE_POOL": 4,
        **more,
    }


@asynccontextmanager
async def payment(stack: Stack, **env: object) -> AsyncIterator[ServiceProcess]:
    """`python -m payment_svc`, ready."""
    async with process("payment_svc", **environment(stack, **env)) as service:
        await eventually(service.is_ready)
        yield service


@asynccontextmanager
async def bus_of(stack: Stack) -> AsyncIterator[Bus]:
    broker = NatsBroker(stack.nats_url, logger=None)
    await broker.connect()
    try:
        yield Bus(broker, ADMIN)
    finally:
        await broker.stop()


async def place(bus: Bus, task: str, step: str) -> None:
    """Place a hold of 0.01 on the wallet that the service opened at its start."""
    hold = PlaceHold(
        hold_id=step,
        task_id=task,
        agent_id="translator",
        amount=Decimal("0.01"),
        max_budget=Decimal(1),
    )
    await bus.ask(PLACE_HOLD, hold, origin("test", "test"), timeout_ms=20_000)


async def complete(stack: Stack, task: str, step: str) -> None:
    event = StepCompleted(
        task_id=task,
        step_id=step,
        agent_id="translator",
        subtask_type="translation",
        result="hola",
        cost=Decimal("0.01"),
        external_cost=Decimal(0),
        billed=Decimal("0.01"),
        requires_external_tool=False,
        execution_time=1,
    )
    async with jetstream(stack.nats_url) as js:
        headers = origin("task", "step.completed.v1").headers()
        body = event.model_dump_json().encode()
        await js.publish(event.subject(), body, stream="EVENTS", headers=headers)


async def status(stack: Stack, step: str) -> str | None:
    async with connected(stack.database_url("payment")) as conn:
        found: str | None = await conn.fetchval("SELECT status FROM holds WHERE id = $1", step)
        return found


async def captured(stack: Stack, step: str) -> None:
    async def done() -> bool:
        return await status(stack, step) == "captured"

    await eventually(done)


async def works(stack: Stack) -> None:
    """Wait until a hold can be placed, then see that it is captured."""
    task, step = new_id(), new_id()
    async with bus_of(stack) as bus:

        async def placed() -> bool:
            try:
                await place(bus, task, step)
            except Unavailable:
                return False
            return True

        await eventually(placed)
    await complete(stack, task, step)
    await captured(stack, step)
