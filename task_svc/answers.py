"""What agents answer, as far as we read it: work, replies to offers, price lists, and failures."""

import json
from decimal import ROUND_UP, Decimal
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from jiter import from_json
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from chassis.amounts import plain_amount
from contracts.base import MAX_AMOUNT, MICRO, to_micro
from contracts.task import FailureReason
from task_svc.domain import MAX_RESULT_CHARS, readable

SUCCESSES = range(200, 300)
MOST_WAIT_S = 5.0
"""The longest rest between two calls of an agent for one piece of work."""
MAX_WORDS = 300
"""Characters of what an agent says beside its work."""
MAX_NESTS = 50_000
"""Lists and objects in an answer. More are as dear to read as a thousand plain answers."""
MAX_SIGNS = 10_000
"""The same with commas, in an answer that the quick parser does not take."""

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class AgentFailure(Exception):
    """An agent did not do its work; `reason` says why, the message is for people.

    Attributes:
        again: whether another call may go better at once.
        status: the HTTP status that it answered with, when it answered.
        wait_s: how long it wants to be left alone before that.
    """

    def __init__(
        self,
        reason: FailureReason,
        message: str,
        *,
        again: bool = False,
        status: int | None = None,
        wait_s: float = 0.0,
    ) -> None:
        """Describe the failure."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.again = again
        self.status = status
        self.wait_s = wait_s


def _micro(amount: Decimal) -> Decimal:
    return abs(to_micro(amount))  # -0 becomes 0


def _enough(amount: Decimal) -> Decimal:
    return abs(amount.quantize(MICRO, rounding=ROUND_UP))


def _text(limit: int) -> BeforeValidator:
    return BeforeValidator(lambda said: readable(said, limit) if isinstance(said, str) else said)


Amount = Annotated[
    Decimal, BeforeValidator(plain_amount), Field(ge=0, le=MAX_AMOUNT), AfterValidator(_micro)
]
"""What an agent bills, in BazaarBucks, to six decimals."""
Wanted = Annotated[
    Decimal, BeforeValidator(plain_amount), Field(ge=0, le=MAX_AMOUNT), AfterValidator(_enough)
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


def read(status: int, body: bytes, answer: type[AnswerT], wait_s: float | None = None) -> AnswerT:
    """The body of a success as `answer`.

    Args:
        status: of the answer.
        body: of the answer.
        answer: what it is to be.
        wait_s: how long the agent wants to be left alone, if it says so; one that wants that for
            longer than `MOST_WAIT_S` is not asked again.

    Raises:
        AgentFailure: it is no success, or another answer.
    """
    if status in SUCCESSES:
        try:
            return parsed(body, answer)
        except (ValueError, RecursionError) as error:
            said = f"The agent answered with something that is no answer{_wrong(error)}."
            raise AgentFailure("agent_error", said) from error
    said = _detail(body)
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        wait_s = wait_s or 0.0
        raise AgentFailure(
            "agent_busy",
            f"The agent is too busy{said}.",
            again=wait_s <= MOST_WAIT_S,
            status=status,
            wait_s=wait_s,
        )
    if status == HTTPStatus.PAYMENT_REQUIRED:
        raise AgentFailure(
            "agent_refused_price", f"The agent refused the price{said}.", status=status
        )
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
        raise AgentFailure(
            "agent_refused_payload", f"The agent cannot work with this{said}.", status=status
        )
    raise AgentFailure(
        "agent_error", f"The agent failed with status {status}{said}.", status=status
    )


def _wrong(error: Exception) -> str:
    """Which member of an answer is missing or wrong, as the end of a sentence."""
    if not isinstance(error, ValidationError):
        return ""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f": {'.'.join(map(str, first['loc'])) or 'all of it'}: {first['msg']}"


def parsed(body: bytes, answer: type[AnswerT]) -> AnswerT:
    """A body of JSON as `answer`. It is read in one go, so what that may take is bounded first.

    Raises:
        ValueError: it is no such answer, has too many parts, is not UTF-8, or says a thing twice.
        RecursionError: it is too deep.
    """
    nests = body.count(b"[") + body.count(b"{")
    if nests > MAX_NESTS:
        raise ValueError("too many lists and objects")
    try:
        said = from_json(body, catch_duplicate_keys=True)
    except ValueError:
        # Python's own parser is slower and takes more: half a character in a text, for one.
        if nests + body.count(b",") > MAX_SIGNS:
            raise
        said = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object)
    return answer.model_validate(said)


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, none of whose members is there twice: that can be read in two ways."""
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a member is there twice")
    return found


class _Complaint(BaseModel):
    msg: str


class _Detail(BaseModel):
    detail: str | Annotated[list[_Complaint], Field(max_length=50)] = ""


def _detail(body: bytes) -> str:
    """The agent's own words, if it gave any, as the end of a sentence."""
    try:
        detail = parsed(body, _Detail).detail
    except (ValueError, RecursionError):
        return ""
    said = detail if isinstance(detail, str) else "".join(one.msg for one in detail[:1])
    text = readable(" ".join(said.split()), MAX_WORDS)
    return f": {text.rstrip('.')}" if text else ""
