"""mock_negotiator: an agent whose price is settled round by round."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from fastapi import FastAPI, Request
from pydantic import Field, JsonValue

from agents.errors import PriceTooLowError
from agents.service import (
    Agent,
    Answer,
    Payload,
    Price,
    Text,
    build_app,
    number,
    read_payload,
    request_body,
)
from agents.settings import Settings

ASKING = Decimal("0.60")
MINIMUM = Decimal("0.40")
ACCEPTED_SHARE = Decimal("0.85")
LAST_COUNTER_ROUND = 2
ENGINE = "mock"


class NegotiatorPayload(Payload):
    """What to do, and what the caller offers for it."""

    task: Annotated[Text, Field(description="What to do, in plain words.")]
    offered_price: Annotated[
        Price | None, Field(description=f"The offer in BazaarBucks, at least {MINIMUM}.")
    ] = None


class Offer(Payload):
    """One round of a negotiation; rounds count from 1."""

    offered_price: Price
    round: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True)
class Reply:
    """What the agent says to an offer; `counter` in BazaarBucks, None when it accepts."""

    accepted: bool
    counter: Decimal | None
    message: str


def cost(offered: Decimal | None) -> Decimal:
    """The bill in BazaarBucks. Raises PriceTooLowError (402) below the minimum."""
    if offered is None:
        return ASKING
    if offered < MINIMUM:
        raise PriceTooLowError(f"{offered} is too low: the minimum is {MINIMUM}.")
    return offered


def negotiate(offered: Decimal, round_number: int) -> Reply:
    """Answer an offer: take a good one at once, a fair one from round 3, a poor one never."""
    if offered < MINIMUM:
        return Reply(False, MINIMUM, f"{offered} is too low: {MINIMUM} is my minimum.")
    if offered >= ASKING * ACCEPTED_SHARE:
        return Reply(True, None, f"{offered} is a good price. Agreed.")
    if round_number > LAST_COUNTER_ROUND:
        return Reply(True, None, f"After {round_number} rounds I take {offered}. Agreed.")
    middle = (offered + ASKING) / 2
    return Reply(False, middle, f"I ask {ASKING}; let us meet in the middle at {middle}.")


def build(_settings: Settings) -> FastAPI:
    """The service, with POST /negotiate beside the usual routes."""

    async def execute(payload: NegotiatorPayload) -> Answer:
        bill = cost(payload.offered_price)
        return Answer(f"Completed: {payload.task}", bill, "negotiable", ENGINE)

    async def engine() -> str:
        return ENGINE

    app = build_app(
        Agent(
            agent_type="mock_negotiator",
            name="Negotiator Agent",
            description="Settles its price before the work, round by round.",
            skills=("negotiable",),
            base_price=ASKING,
            payload=NegotiatorPayload,
            execute=execute,
            engine=engine,
            negotiable=True,
        )
    )

    @app.post("/negotiate", openapi_extra=request_body(Offer))
    async def answer_offer(request: Request) -> dict[str, JsonValue]:
        offer = await read_payload(request, Offer)
        reply = negotiate(offer.offered_price, offer.round)
        return {
            "accepted": reply.accepted,
            "counter_offer": None if reply.counter is None else number(reply.counter),
            "message": reply.message,
        }

    return app
