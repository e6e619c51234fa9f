"""mock_highprice: an expensive agent that works for less when a lower price was agreed."""

from decimal import Decimal
from typing import Annotated

from fastapi import FastAPI
from pydantic import Field, JsonValue

from agents.errors import PriceTooLowError
from agents.service import Agent, Answer, Payload, Price, Text, build_app, number
from agents.settings import Settings

ASKING = Decimal("0.85")
MINIMUM = Decimal("0.50")
ENGINE = "mock"


class HighPricePayload(Payload):
    """What to do, and for how much if that was agreed."""

    task: Annotated[Text, Field(description="What to do, in plain words.")]
    negotiated_price: Annotated[
        Price | None, Field(description=f"The agreed price in BazaarBucks, at least {MINIMUM}.")
    ] = None


def cost(negotiated: Decimal | None) -> Decimal:
    """The bill in BazaarBucks. Raises PriceTooLowError (402) below the minimum."""
    if negotiated is None:
        return ASKING
    if negotiated < MINIMUM:
        raise PriceTooLowError(f"{negotiated} is too low: the minimum is {MINIMUM}.")
    return negotiated


def build(_settings: Settings) -> FastAPI:
    """The service, with GET /price beside the usual routes."""

    async def execute(payload: HighPricePayload) -> Answer:
        bill = cost(payload.negotiated_price)
        return Answer(f"Completed with premium care: {payload.task}", bill, "premium", ENGINE)

    async def engine() -> str:
        return ENGINE

    app = build_app(
        Agent(
            agent_type="mock_highprice",
            name="High Price Agent",
            description="Premium work at a premium price, which can be negotiated.",
            skills=("premium",),
            base_price=ASKING,
            payload=HighPricePayload,
            execute=execute,
            engine=engine,
            negotiable=True,
        )
    )

    @app.get("/price")
    async def price() -> dict[str, JsonValue]:
        return {
            "base_price": number(ASKING),
            "negotiable": True,
            "min_price": number(MINIMUM),
            "reason": "Premium quality; a lower price can be agreed on before the work.",
        }

    return app
