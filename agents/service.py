"""What every agent service shows over HTTP: POST /execute, GET /health, GET /info."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from agents.errors import AgentError, BodyTooLargeError, MalformedBodyError, UnsupportedError
from agents.idempotency import AnswerMemory

MAX_BODY_BYTES = 1024 * 1024
MAX_KEY_CHARACTERS = 255
SIX_DECIMALS = Decimal("0.000001")
"""Prices leave with six decimals, the precision of every ledger they end in."""

JSON_OBJECT = TypeAdapter(dict[str, JsonValue])


class Payload(BaseModel):
    """What an agent is asked; fields it does not know are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


P = TypeVar("P", bound=Payload)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return text


Text = Annotated[str, AfterValidator(_not_blank), Field(min_length=1)]
"""A text with at least one visible character."""

Price = Annotated[
    Decimal,
    Field(ge=0, le=1_000_000),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1_000_000}),
]
"""An amount in BazaarBucks."""


@dataclass(frozen=True)
class Answer:
    """What an agent hands back for one call; `cost` and `external_cost` in BazaarBucks.

    `engine` names what really produced the result. `extra` holds further fields for the answer.
    """

    result: str
    cost: Decimal
    subtask_type: str
    engine: str
    requires_external_tool: bool = False
    external_cost: Decimal = Decimal(0)
    vendor: str | None = None
    extra: dict[str, JsonValue] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The body of the 200 answer, as JSON."""
        body: dict[str, JsonValue] = {
            "result": self.result,
            "cost": number(self.cost),
            "subtask_type": self.subtask_type,
            "requires_external_tool": self.requires_external_tool,
            "external_cost": number(self.external_cost),
            "engine": self.engine,
            **self.extra,
        }
        if self.vendor is not None:
            body["vendor"] = self.vendor
        return JSON_OBJECT.dump_json(body)


async def _always_healthy() -> dict[str, JsonValue]:
    return {"status": "healthy"}


@dataclass(frozen=True)
class Agent(Generic[P]):
    """One agent: what it says of itself, the shape of its payload, and how it works.

    `engine` tells which engine answers now; `health` gives status and, if known, load (0-100).
    `billing` says how a bill follows from the payload, where it is not the price alone.
    """

    agent_type: str
    name: str
    description: str
    skills: tuple[str, ...]
    base_price: Decimal
    payload: type[P]
    execute: Callable[[P], Awaitable[Answer]]
    engine: Callable[[], Awaitable[str]]
    health: Callable[[], Awaitable[dict[str, JsonValue]]] = _always_healthy
    negotiable: bool = False
    billing: dict[str, JsonValue] = field(default_factory=lambda: {"mode": "fixed"})


def build_app(agent: Agent[P]) -> FastAPI:
    """The service of one agent; routes that only it has are added by its own module."""
    app = FastAPI(title=agent.name, description=agent.description)
    app.add_exception_handler(AgentError, _refuse)
    app.add_exception_handler(Exception, _fail)
    answers = AnswerMemory()

    @app.post("/execute", openapi_extra=request_body(agent.payload))
    async def execute(request: Request) -> Response:
        payload = await read_payload(request, agent.payload)

        async def work() -> bytes:
            return (await agent.execute(payload)).encode()

        key = request.headers.get("idempotency-key", "").strip()
        if len(key) > MAX_KEY_CHARACTERS:
            raise UnsupportedError(f"Idempotency-Key: at most {MAX_KEY_CHARACTERS} characters")
        body, known = await answers.once(key, work) if key else (await work(), False)
        headers = {"Idempotent-Replayed": "true"} if known else {}
        return Response(body, media_type="application/json", headers=headers)

    @app.head("/health", include_in_schema=False)
    @app.get("/health")
    async def health() -> dict[str, JsonValue]:
        return {"agent": agent.agent_type, **await agent.health()}

    @app.head("/info", include_in_schema=False)
    @app.get("/info")
    async def info() -> dict[str, Any]:
        return {
            "name": agent.name,
            "description": agent.description,
            "skills": agent.skills,
            "base_price": number(agent.base_price),
            "agent_type": agent.agent_type,
            "negotiable": agent.negotiable,
            "billing": agent.billing,
            "engine": await agent.engine(),
            "input_schema": agent.payload.model_json_schema(),
        }

    return app


async def read_payload(request: Request, model: type[P]) -> P:
    """The request's body as `model`.

    Raises BodyTooLargeError (413), MalformedBodyError (400: not JSON) or
    UnsupportedError (422: wrong fields).
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError(f"The body is over {MAX_BODY_BYTES} bytes.")
    try:
        return model.model_validate_json(bytes(body))
    except ValidationError as error:
        if any(problem["type"] == "json_invalid" for problem in error.errors()):
            raise MalformedBodyError(f"The body is not JSON: {sentence(error)}") from error
        raise UnsupportedError(sentence(error)) from error


def request_body(model: type[Payload]) -> dict[str, Any]:
    """Tell OpenAPI which body a route reads."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def sentence(error: ValidationError) -> str:
    """What is wrong with the input, in one line that does not repeat the input."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        ": ".join(filter(None, [".".join(map(str, problem["loc"])), problem["msg"]]))
        for problem in problems
    )


def number(amount: Decimal) -> float:
    """An amount as it goes into JSON: a number with at most six decimals."""
    return float(amount.quantize(SIX_DECIMALS))


async def _refuse(_request: Request, error: Exception) -> JSONResponse:
    status = error.status if isinstance(error, AgentError) else AgentError.status
    return JSONResponse({"detail": str(error)}, status)


async def _fail(_request: Request, _error: Exception) -> JSONResponse:
    # The server drops the connection after such an error: the caller must not use it again.
    detail = "The agent failed unexpectedly; its log says why."
    return JSONResponse({"detail": detail}, 500, headers={"Connection": "close"})
