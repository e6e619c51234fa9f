"""Requests to agents of our own protocol, and what their answers come to."""

import json
import re
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Literal

from opentelemetry.trace import SpanKind

from chassis.observability import telemetry
from chassis.outbound import Answer, CallError, Limits, Listener, Outbound, Request, parse
from task_svc.answers import AgentFailure, AnswerT, read
from task_svc.protocols.job import Job
from task_svc.protocols.retries import no_answer, with_retries
from task_svc.settings import Settings
from task_svc.signing import Signer

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Question:
    """A request to an agent.

    Attributes:
        route: what is asked, for traces.
    """

    method: Literal["GET", "POST"]
    url: str
    route: str
    headers: dict[str, str]
    limits: Limits
    body: bytes = b""
    query: str = ""


class Asking:
    """Sends questions to agents, and again when they were busy or away."""

    def __init__(self, http: Outbound, settings: Settings, signer: Signer) -> None:
        """Send through `http`, as often as `settings` say, and signed by `signer`."""
        self._http = http
        self._signer = signer
        self._settings = settings

    async def ask(self, asked: Question, answer: type[AnswerT]) -> AnswerT:
        """What an agent answers, as `answer`; it is asked again when that may go better.

        Raises:
            AgentFailure: it did not answer, or something else.
        """
        return await with_retries(self._settings, partial(self._once, asked, answer))

    async def _once(self, asked: Question, answer: type[AnswerT]) -> AnswerT:
        said = await self.send(asked)
        return read(said.status, said.body, answer, said.retry_after_s)

    async def send(self, asked: Question, listener: Listener | None = None) -> Answer:
        """The answer to one request, whatever it is.

        Raises:
            AgentFailure: there was none.
        """
        cause = asked.headers.get("traceparent")
        try:
            about = {"server.address": parse(asked.url).host}
            name = f"{asked.method} {asked.route}"
            with telemetry.spanning(name, SpanKind.CLIENT, cause, about) as here:
                headers = asked.headers | ({"traceparent": here} if here else {})
                headers |= self._signer.headers(asked.method, asked.url, asked.body)
                request = Request(asked.method, asked.url, headers, asked.body, asked.query)
                said = await self._http.send(request, asked.limits, listener)
                telemetry.outcome(said.status, failed=said.status >= HTTPStatus.BAD_REQUEST)
                return said
        except CallError as error:
            raise no_answer(error, repeatable=True) from error


def headers(traceparent: str | None, key: str | None = None) -> dict[str, str]:
    """Headers of a question; a `traceparent` that is none is left out."""
    found = {"Content-Type": "application/json"}
    if key:
        found["Idempotency-Key"] = key
    if traceparent and TRACEPARENT.fullmatch(traceparent):
        found["traceparent"] = traceparent
    return found


def json_body(payload: dict[str, Any]) -> bytes:
    """The payload as it is sent; half a character (a lone surrogate) becomes a question mark.

    Raises:
        AgentFailure: it is not JSON.
    """
    try:
        return json.dumps(payload, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    except (ValueError, RecursionError) as error:
        raise AgentFailure("agent_refused_payload", "The payload is not JSON.") from error


def signed(signer: Signer, job: Job | None, method: str, url: str, body: bytes) -> dict[str, str]:
    """The headers of one request of a library: its signature, and what its agent wants to see."""
    own = job.own_headers(url) if job else {}
    return {**own, **signer.headers(method, url, body)}
