"""Calls of agents over HTTP: bounded in time and size, repeated with the same idempotency key."""

import asyncio
import json
import re
import time
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Literal

from opentelemetry.trace import SpanKind
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from chassis.observability import telemetry
from chassis.outbound import (
    AddressRefused,
    Answer,
    Limits,
    Outbound,
    Request,
    TooMuch,
    TooSlow,
    Unreachable,
    parse,
)
from task_svc.answers import (
    MOST_WAIT_S,
    AgentFailure,
    AnswerT,
    PriceList,
    Reply,
    Work,
    read,
)
from task_svc.settings import Settings

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
NO_SUCH_ROUTE = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
BRIEF_PIECES = 256
"""In which an agent may say something of its price."""


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


@dataclass(frozen=True, slots=True)
class _Question:
    method: Literal["GET", "POST"]
    url: str
    route: str
    headers: dict[str, str]
    limits: Limits
    body: bytes = b""


class Agents:
    """The HTTP client for agents; one per process."""

    def __init__(self, settings: Settings) -> None:
        """Prepare the client with the time-outs and limits of `settings`."""
        self._settings = settings
        self._http = Outbound(settings.agent_hosts)
        most, total_s = settings.agent_answer_bytes, settings.agent_timeout_s
        self._limits = Limits(total_s, most)
        self._brief = Limits(total_s, most, pieces=BRIEF_PIECES)

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
            key: its Idempotency-Key: a repeat is answered like the first call.
            traceparent: W3C trace context to pass on, when it is well-formed.

        Raises:
            AgentFailure: it did not answer, or not with an answer.
        """
        headers = _headers(traceparent, key)
        asked = _Question("POST", url, "/execute", headers, self._limits, _body(payload))
        began = time.monotonic()
        work = await self._ask(asked, Work)
        spent = max(1, round((time.monotonic() - began) * 1000))
        return AgentAnswer(**work.model_dump(), execution_time=spent)

    async def offer(
        self, url: str, price: Decimal, round_: int, key: str, traceparent: str | None
    ) -> Reply | None:
        """Offer an agent a price for its work.

        Args:
            url: where the agent is; `/negotiate` is added.
            price: BazaarBucks.
            round_: the how manieth offer it is, from 1.
            key: its Idempotency-Key.
            traceparent: W3C trace context to pass on.

        Returns:
            What it says; None when it takes no offers.

        Raises:
            AgentFailure: it did not answer, or not with an answer.
        """
        body = _body({"offered_price": float(price), "round": round_})
        headers = _headers(traceparent, key)
        asked = _Question("POST", url, "/negotiate", headers, self._brief, body)
        try:
            return await self._ask_briefly(asked, Reply)
        except AgentFailure as failure:
            if failure.status in NO_SUCH_ROUTE:
                return None
            if failure.reason == "agent_refused_price":
                return Reply(accepted=False, message=failure.message)
            raise

    async def price_list(self, url: str, traceparent: str | None) -> PriceList | None:
        """What an agent says about its price at `/price`; None when it says nothing there.

        Raises:
            AgentFailure: it did not answer, or not with an answer.
        """
        asked = _Question("GET", url, "/price", _headers(traceparent), self._brief)
        try:
            return await self._ask_briefly(asked, PriceList)
        except AgentFailure as failure:
            if failure.status in NO_SUCH_ROUTE:
                return None
            raise

    async def _ask_briefly(self, asked: _Question, answer: type[AnswerT]) -> AnswerT:
        try:
            async with asyncio.timeout(self._settings.offer_timeout_s):
                return await self._ask(asked, answer)
        except TimeoutError as error:
            raise _too_slow() from error

    async def _ask(self, asked: _Question, answer: type[AnswerT]) -> AnswerT:
        rest = wait_exponential_jitter(
            initial=self._settings.agent_retry_s,
            max=MOST_WAIT_S,
            jitter=self._settings.agent_retry_s / 2,
        )
        attempts = AsyncRetrying(
            retry=retry_if_exception(lambda e: isinstance(e, AgentFailure) and e.again),
            stop=stop_after_attempt(self._settings.agent_attempts),
            wait=lambda state: max(rest(state), _wanted(state)),
            reraise=True,
        )
        found: AnswerT = await attempts(self._once, asked, answer)
        return found

    async def _once(self, asked: _Question, answer: type[AnswerT]) -> AnswerT:
        try:
            said = await self._send(asked)
        except AddressRefused as refused:
            raise AgentFailure(
                "agent_unreachable", f"The agent's address may not be called: {refused.why}."
            ) from refused
        except Unreachable as error:
            raise AgentFailure(
                "agent_unreachable", "The agent cannot be reached.", again=True
            ) from error
        except TooSlow as error:
            raise _too_slow() from error
        except TooMuch as error:
            raise AgentFailure("agent_error", f"The agent answered with {error.why}.") from error
        return read(said.status, said.body, answer, said.retry_after_s)

    async def _send(self, asked: _Question) -> Answer:
        url = asked.url.rstrip("/") + asked.route
        cause = asked.headers.get("traceparent")
        about = {"server.address": parse(url).host}
        name = f"{asked.method} {asked.route}"
        with telemetry.spanning(name, SpanKind.CLIENT, cause, about) as here:
            headers = asked.headers | ({"traceparent": here} if here else {})
            request = Request(asked.method, url, headers, asked.body)
            said = await self._http.send(request, asked.limits)
            telemetry.outcome(said.status, failed=said.status >= HTTPStatus.BAD_REQUEST)
            return said


def _headers(traceparent: str | None, key: str | None = None) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    if traceparent and TRACEPARENT.fullmatch(traceparent):
        headers["traceparent"] = traceparent
    return headers


def _body(payload: dict[str, Any]) -> bytes:
    """The payload as it is sent; half a character (a lone surrogate) becomes a question mark."""
    try:
        return json.dumps(payload, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    except (ValueError, RecursionError) as error:
        raise AgentFailure("agent_refused_payload", "The payload is not JSON.") from error


def _wanted(state: RetryCallState) -> float:
    """The rest that the agent itself wants."""
    failed = state.outcome.exception() if state.outcome else None
    return failed.wait_s if isinstance(failed, AgentFailure) else 0.0


def _too_slow() -> AgentFailure:
    return AgentFailure("agent_too_slow", "The agent did not answer in time.")
