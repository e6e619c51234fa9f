"""Calls of agents over HTTP: bounded in time and size, repeated with the same idempotency key."""

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from contracts.base import to_micro
from contracts.task import FailureReason
from task_svc.domain import readable
from task_svc.settings import Settings


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


Amount = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, le=1_000_000)]


class _Answer(BaseModel):
    result: str
    cost: Amount
    subtask_type: str = Field(default="task", min_length=1)
    requires_external_tool: bool = False
    external_cost: Amount = Decimal(0)
    vendor: str | None = None


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
            traceparent: W3C trace context to pass on.

        Raises:
            AgentFailure: it did not answer, or not with an answer.
        """
        headers = {"Idempotency-Key": key}
        if traceparent:
            headers["traceparent"] = traceparent
        began = time.monotonic()
        attempts = AsyncRetrying(
            retry=retry_if_exception(lambda e: isinstance(e, AgentFailure) and e.again),
            stop=stop_after_attempt(self._settings.agent_attempts),
            wait=wait_exponential_jitter(
                initial=self._settings.agent_retry_s, max=5, jitter=self._settings.agent_retry_s / 2
            ),
            reraise=True,
        )
        answer: _Answer = await attempts(self._once, url.rstrip("/") + "/execute", payload, headers)
        spent = max(1, round((time.monotonic() - began) * 1000))
        return AgentAnswer(
            result=readable(answer.result),
            cost=to_micro(answer.cost),
            subtask_type=readable(answer.subtask_type, 100),
            requires_external_tool=answer.requires_external_tool,
            external_cost=to_micro(answer.external_cost),
            vendor=readable(answer.vendor, 200) if answer.vendor else None,
            execution_time=spent,
        )

    async def _once(self, url: str, payload: dict[str, Any], headers: dict[str, str]) -> _Answer:
        try:
            status, body = await self._post(url, payload, headers)
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
                raise AgentFailure(
                    "agent_unreachable", "The agent cannot be reached.", again=True
                ) from error
            raise AgentFailure("agent_too_slow", "The agent did not answer in time.") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise AgentFailure(
                "agent_unreachable", "The agent cannot be reached.", again=True
            ) from error
        return _read(status, body)

    async def _post(
        self, url: str, payload: dict[str, Any], headers: dict[str, str]
    ) -> tuple[int, bytes]:
        limit = self._settings.agent_answer_bytes
        async with self._http.stream("POST", url, json=payload, headers=headers) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > limit:
                    raise AgentFailure(
                        "agent_error", f"The agent answered with more than {limit} bytes."
                    )
            return response.status_code, bytes(body)


def _read(status: int, body: bytes) -> _Answer:
    if status == httpx.codes.OK:
        try:
            return _Answer.model_validate_json(body)
        except ValidationError as error:
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
