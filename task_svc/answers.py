"""What agents answer, as far as we read it: work, replies to offers, price lists, and failures."""

import json
from decimal import ROUND_UP, Decimal
from typing import Annotated, Any, TypeVar

import httpx
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from contracts.base import MAX_AMOUNT, MICRO, to_micro
from contracts.task import FailureReason
from task_svc.domain import MAX_RESULT_CHARS, readable

MAX_WORDS = 300
"""Characters of what an agent says beside its work."""

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class AgentFailure(Exception):
    """An agent did not do its work; `reason` says why, the message is for people.

    Attributes:
        again: whether another call may go better at once.
        status: the HTTP status that it answered with, when it answered.
    """

    def __init__(
        self,
        reason: FailureReason,
        message: str,
        *,
        again: bool = False,
        status: int | None = None,
    ) -> None:
        """Describe the failure."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.again = again
        self.status = status


def _exact(amount: Any) -> Any:
    return str(amount) if isinstance(amount, float) else amount


def _micro(amount: Decimal) -> Decimal:
    return abs(to_micro(amount))  # -0 becomes 0


def _enough(amount: Decimal) -> Decimal:
    return abs(amount.quantize(MICRO, rounding=ROUND_UP))


def _text(limit: int) -> BeforeValidator:
    return BeforeValidator(lambda said: readable(said, limit) if isinstance(said, str) else said)


Amount = Annotated[
    Decimal, BeforeValidator(_exact), Field(ge=0, le=MAX_AMOUNT), AfterValidator(_micro)
]
"""What an agent bills, in BazaarBucks, to six decimals."""
Wanted = Annotated[
    Decimal, BeforeValidator(_exact), Field(ge=0, le=MAX_AMOUNT), AfterValidator(_enough)
]
"""A price that an agent asks for; rounded up, as it would refuse less."""


class Work(BaseModel):
    """A successful answer to /execute."""

    result: Annotated[str, _text(MAX_RESULT_CHARS)]
    cost: Amount
    subtask_type: Annotated[str, _text(100)] = Field(default="task", min_length=1)
    requires_external_tool: bool = False
    external_cost: Amount = Decimal(0)
    vendor: Annotated[str | None, _text(200)] = None


class Reply(BaseModel):
    """An answer to an offer; `counter_offer` in BazaarBucks."""

    accepted: bool
    counter_offer: Wanted | None = None
    message: Annotated[str | None, _text(MAX_WORDS)] = None


class PriceList(BaseModel):
    """An answer to GET /price; prices in BazaarBucks."""

    negotiable: bool = True
    min_price: Wanted | None = None
    reason: Annotated[str | None, _text(MAX_WORDS)] = None


def read(status: int, body: bytes, answer: type[AnswerT]) -> AnswerT:
    """The body of a success as `answer`.

    Raises:
        AgentFailure: it is no success, or another answer.
    """
    if status == httpx.codes.OK:
        try:
            # Not pydantic's parser: it would refuse a whole answer for half a character.
            return answer.model_validate(json.loads(body))
        except (ValueError, RecursionError) as error:
            raise AgentFailure(
                "agent_error", "The agent answered with something that is no answer."
            ) from error
    said = _detail(body)
    if status == httpx.codes.SERVICE_UNAVAILABLE:
        raise AgentFailure("agent_busy", f"The agent is too busy{said}.", again=True, status=status)
    if status == httpx.codes.PAYMENT_REQUIRED:
        raise AgentFailure(
            "agent_refused_price", f"The agent refused the price{said}.", status=status
        )
    if status in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY):
        raise AgentFailure(
            "agent_refused_payload", f"The agent cannot work with this{said}.", status=status
        )
    raise AgentFailure(
        "agent_error", f"The agent failed with status {status}{said}.", status=status
    )


class _Detail(BaseModel):
    detail: Any = None


def _detail(body: bytes) -> str:
    """The agent's own words, if it gave any, as the end of a sentence."""
    try:
        detail = _Detail.model_validate_json(body).detail
    except ValidationError:
        return ""
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        detail = detail[0].get("msg")
    text = readable(" ".join(detail.split()), MAX_WORDS) if isinstance(detail, str) else ""
    return f": {text.rstrip('.')}" if text else ""
