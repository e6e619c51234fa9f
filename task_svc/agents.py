"""Calls of agents over HTTP: their work, in the protocol that each speaks, and talk of prices."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from http import HTTPStatus
from importlib import import_module
from typing import Any

from chassis.outbound import Limits, Outbound
from task_svc.answers import AgentFailure, AnswerT, PriceList, Reply
from task_svc.credentials import Credentials
from task_svc.domain import Quote
from task_svc.protocols import native
from task_svc.protocols.asking import Asking, Question, headers, json_body
from task_svc.protocols.job import AgentAnswer, Job, Operation
from task_svc.protocols.retries import too_slow
from task_svc.settings import Settings
from task_svc.signing import Signer

NO_SUCH_ROUTE = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
BRIEF_PIECES = 256
"""In which an agent may say something of its price."""


class Agents:
    """The HTTP client for agents; one per process."""

    def __init__(
        self,
        settings: Settings,
        signer: Signer | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        """Prepare the client.

        Args:
            settings: its time-outs and limits.
            signer: signs calls.
            credentials: what agents want to see with them.
        """
        self._credentials = credentials
        self._settings = settings
        self._signer = signer or Signer("")
        self._http = Outbound(settings.agent_hosts)
        self._asking = Asking(self._http, settings, self._signer)
        self._callers: dict[str, Any] = {
            "native": native.Caller(self._http, settings, self._signer)
        }
        most, total_s = settings.agent_answer_bytes, settings.agent_timeout_s
        self._brief = Limits(total_s, most, pieces=BRIEF_PIECES)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def execute(self, job: Job) -> AgentAnswer:
        """Have an agent do its work, in the protocol that it speaks.

        Raises:
            AgentFailure: it did not answer, or not with an answer.
            Waiting: it works on, and is asked again later.
        """
        name = job.quote.protocol
        caller = self._callers.get(name)
        if caller is None:
            # What the libraries weigh is paid by who meets such an agent, off the event loop.
            module = await asyncio.to_thread(import_module, f"task_svc.protocols.{name}")
            made = module.Caller(self._http, self._settings, self._signer)
            caller = self._callers.setdefault(name, made)
        if self._credentials and (known := await self._credentials.of(job.agent_id)):
            job = replace(job, credential=known)
        answer: AgentAnswer = await caller.execute(job)
        return answer

    def give_up(self, quote: Quote, operation: dict[str, Any] | None) -> None:
        """Tell an agent that work which it has taken on is not wanted any more, if it can be told.

        Args:
            quote: whom.
            operation: what is kept with the step.
        """
        give_up = getattr(self._callers.get(quote.protocol), "give_up", None)
        if operation is not None and give_up is not None:
            give_up(quote, Operation(**operation))

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
        body = json_body({"offered_price": float(price), "round": round_})
        about = headers(traceparent, key)
        asked = Question("POST", _at(url, "/negotiate"), "/negotiate", about, self._brief, body)
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
        asked = Question("GET", _at(url, "/price"), "/price", headers(traceparent), self._brief)
        try:
            return await self._ask_briefly(asked, PriceList)
        except AgentFailure as failure:
            if failure.status in NO_SUCH_ROUTE:
                return None
            raise

    async def _ask_briefly(self, asked: Question, answer: type[AnswerT]) -> AnswerT:
        try:
            async with asyncio.timeout(self._settings.offer_timeout_s):
                return await self._asking.ask(asked, answer)
        except TimeoutError as error:
            raise too_slow() from error


def _at(url: str, route: str) -> str:
    return url.rstrip("/") + route
