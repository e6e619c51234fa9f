"""mock_busy: an agent under load. It refuses most calls and is slow at the others."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Annotated

from fastapi import FastAPI
from pydantic import Field, JsonValue

from agents.errors import UnavailableError
from agents.service import Agent, Answer, Payload, Text, build_app
from agents.settings import Settings

PRICE = Decimal("0.12")
SLOWEST_SECONDS = 3.0
FASTEST_SECONDS = 1.0
LOAD_PERCENT = (70, 100)
DEGRADED_ABOVE_PERCENT = 80
ENGINE = "mock"


class BusyPayload(Payload):
    """What to do."""

    task: Annotated[Text, Field(description="What to do, in plain words.")]


def build(
    settings: Settings,
    *,
    rng: random.Random | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> FastAPI:
    """The service; `rng` and `sleep` can be given so that a test decides chance and time."""
    dice = rng or random.Random()

    async def execute(payload: BusyPayload) -> Answer:
        if dice.random() < settings.busy_rate:
            raise UnavailableError("Busy: too many tasks at once. Try again later.")
        await sleep(dice.uniform(FASTEST_SECONDS, SLOWEST_SECONDS))
        return Answer(f"Completed: {payload.task}", PRICE, "general", ENGINE)

    async def engine() -> str:
        return ENGINE

    async def health() -> dict[str, JsonValue]:
        load = dice.randint(*LOAD_PERCENT)
        return {"status": "degraded" if load > DEGRADED_ABOVE_PERCENT else "healthy", "load": load}

    return build_app(
        Agent(
            agent_type="mock_busy",
            name="Busy Agent",
            description="A general helper that is nearly always overloaded; for trying retries.",
            skills=("general",),
            base_price=PRICE,
            payload=BusyPayload,
            execute=execute,
            engine=engine,
            health=health,
        )
    )
