"""Calls of agents over HTTP: bounded in time and size, repeated with the same idempotency key."""

import asyncio
import json
import re
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import httpx
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from contracts.base import MAX_AMOUNT, to_micro
from contracts.task import FailureReason
from task_svc.domain import MAX_RESULT_CHARS, readable
from task_svc.settings import Settings

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class AgentFailure(Exception):
    """An agent did not do its work; `reason` says why, the message is for people."""

    def __init__(self, reason: FailureReason, message: str, *, again: bool = False) -> None:
        """Describe the failure; `again` when another call may go better at once."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.again = again


def _exact(amount: Any) -> Any:
    return str(amount) if isinstance(amount, float) else amount


def _micro(amount: Decimal) -> Decimal:
    return abs(to_micro(amount))  # -0 becomes 0


def _text(limit: int = MAX_RESULT_CHARS) -> BeforeValidator:
    return BeforeValidator(lambda said: readable(said, limit) if isinstance(said, str) else said)


Amount = Annotated[
    Decimal, BeforeValidator(_exact), Field(ge=0, le=MAX_AMOUNT), AfterValidator(_micro)
]


class _Answer(BaseModel):
    result: Annotated[str, _text()]
    cost: Amount
    subtask_type: Annotated[str, _text(100)] = Field(default="task", min_length=1)
    requires_external_tool: bool = False
    external_cost: Amount = Decimal(0)
    vendor: Annotated[str | None, _text(200)] = None


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """What an agent answered; `cost` and `external_cost` are its bill in BazaarBucks.

    Attributes:
        execution_time: milliseconds from the first call to the answer, at least 1.
    """

    result: str
    cost: Decimal
    subtask_type: str
    requires_external_tool: bool
    external_cost: Decimal
    vendor: str | None
    execution_time: int


class Agents:
    """The HTTP client for agents; one connection pool per process."""

    def __init__(self, settings: Settings) -> None:
        """Prepare the client with the time-outs and limits of `settings`."""
        self._settings = settings
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(settings.agent_timeout_s, connect=5.0, pool=5.0),
            limits=httpx.Limits(max_connections=256, max_keepalive_connections=64),
            # An answer that is packed could be far larger than what arrives.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def execute(
        self, url: str, payload: dict[str, Any], key: str, traceparent: str | None
    ) -> AgentAnswer:
        """Have an agent do its work; busy and unreachable agents are asked again, with delay.

        Args:
            url: where the agent is; `/execute` is added.
            payload: what it is asked to do.
            key: its Idempotency-Key, the step's id: a repeat is answered like the first call.
            traceparent: W3C trace context to pass on, when it is well-formed.

        Raises:
            AgentFailure: it did not answer, or not with an answer.
        """
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        if traceparent and TRACEPARENT.fullmatch(traceparent):
            headers["traceparent"] = traceparent
        body = _body(payload)
        began = time.monotonic()
        attempts = AsyncRetrying(
            retry=retry_if_exception(lambda e: isinstance(e, AgentFailure) and e.again),
            stop=stop_after_attempt(self._settings.agent_attempts),
            wait=wait_exponential_jitter(
                initial=self._settings.agent_retry_s, max=5, jitter=self._settings.agent_retry_s / 2
            ),
            reraise=True,
        )
        answer: _Answer = await attempts(self._once, url.rstrip("/") + "/execute", body, headers)
        spent = max(1, round((time.monotonic() - began) * 1000))
        return AgentAnswer(**answer.model_dump(), execution_time=spent)

    async def _once(self, url: str, payload: bytes, headers: dict[str, str]) -> _Answer:
        try:
            # The client's own time-outs are for each read: many small ones could go on for ever.
            async with asyncio.timeout(self._settings.agent_timeout_s):
                status, body = await self._post(url, payload, headers)
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _unreachable() from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise AgentFailure("agent_too_slow", "The agent did not answer in time.") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise _unreachable() from error
        return _read(status, body)

    async def _post(self, url: str, payload: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        limit = self._settings.agent_answer_bytes
        async with self._http.stream("POST", url, content=payload, headers=headers) as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > limit:
                    raise AgentFailure(
                        "agent_error", f"The agent answered with more than {limit} bytes."
                    )
            return response.status_code, bytes(body)


def _unreachable() -> AgentFailure:
    return AgentFailure("agent_unreachable", "The agent cannot be reached.", again=True)


def _body(payload: dict[str, Any]) -> bytes:
    """The payload as it is sent; half a character (a lone surrogate) becomes a question mark."""
    try:
        return json.dumps(payload, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    except (ValueError, RecursionError) as error:
        raise AgentFailure("agent_refused_payload", "The payload is not JSON.") from error


def _read(status: int, body: bytes) -> _Answer:
    if status == httpx.codes.OK:
        try:
            # Not pydantic's parser: it would refuse a whole answer for half a character.
            return _Answer.model_validate(json.loads(body))
        except (ValueError, RecursionError) as error:
            raise AgentFailure(
                "agent_error", "The agent answered with something that is no answer."
            ) from error
    said = _detail(body)
    if status == httpx.codes.SERVICE_UNAVAILABLE:
        raise AgentFailure("agent_busy", f"The agent is too busy{said}.", again=True)
    if status == httpx.codes.PAYMENT_REQUIRED:
        raise AgentFailure("agent_refused_price", f"The agent refused the price{said}.")
    if status in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY):
        raise AgentFailure("agent_refused_payload", f"The agent cannot work with this{said}.")
    raise AgentFailure("agent_error", f"The agent failed with status {status}{said}.")


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
    text = readable(" ".join(detail.split()), 300) if isinstance(detail, str) else ""
    return f": {text.rstrip('.')}" if text else ""
