"""A2A agents, by the a2a-sdk, in the wire version of their card.

The work is a task of theirs. Its id is kept as soon as it is known, and it is asked after until
it ends; an agent that streams is heard meanwhile. Messages carry the job's key: the sdk's servers
make a second task of a repeated message, so a task that may be there is looked for first.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import structlog
from a2a.client.client import Client, ClientConfig
from a2a.client.client_factory import ClientFactory
from a2a.client.errors import A2AClientError
from a2a.types.a2a_pb2 import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    StreamResponse,
    Task,
)
from a2a.utils.errors import (
    A2AError,
    ContentTypeNotSupportedError,
    InternalError,
    InvalidParamsError,
    InvalidRequestError,
    TaskNotFoundError,
)

from chassis.outbound import CallError, Limits, Outbound, TooSlow, Unreachable
from chassis.protocols.a2a_card import Card, NoCard, find_card
from chassis.protocols.bridge import Bridge
from chassis.protocols.httpx_transport import client as httpx_client
from task_svc.answers import MAX_WORDS, AgentFailure, Work, read
from task_svc.domain import Quote, readable
from task_svc.protocols import a2a_messages as messages
from task_svc.protocols.asking import headers, signed
from task_svc.protocols.job import AgentAnswer, Job, Operation, Progress
from task_svc.protocols.pursuing import pursue, took_ms
from task_svc.protocols.retries import no_answer, too_slow, with_retries
from task_svc.settings import Settings
from task_svc.signing import Signer

log = structlog.get_logger()
# What an agent sent, and would be shown by these, is a stranger's.
logging.getLogger("a2a").setLevel(logging.CRITICAL)

CARD_FRESH_S = 60.0
"""How long a card holds before it is read again."""
MOST_CARDS = 1_000
CANCEL_S = 5.0
"""How long an agent has to take note that its work is not wanted any more."""
REFUSED = (InvalidParamsError, InvalidRequestError, ContentTypeNotSupportedError)
"""The agent's word that the payload is at fault."""


NO_ANSWER = "The agent failed, or answered with what is no answer."
_CONTEXTS = uuid.UUID("5b0c1d5e-7d0e-4c55-9a53-3a6a2f0f9c11")


class Caller:
    """Calls them."""

    def __init__(self, http: Outbound, settings: Settings, signer: Signer) -> None:
        """Call through `http`, within the limits of `settings`, signed by `signer`."""
        self._http = http
        self._signer = signer
        self._settings = settings
        self._cards: dict[str, tuple[float, Card]] = {}
        self._goodbyes: set[asyncio.Task[None]] = set()

    async def execute(self, job: Job) -> AgentAnswer:
        """Have the agent do the work, or go on asking for it.

        Raises:
            AgentFailure: it did not do it.
            Waiting: it works on.
        """
        card = await with_retries(self._settings, partial(self._card, job.quote.endpoint_url))
        operation = job.operation
        if operation is None and job.again:
            operation = await self._known(job, card)
        if operation is None:
            found = await with_retries(self._settings, partial(self._begin, job, card))
            if isinstance(found, AgentAnswer):
                return found
            operation = found
        try:
            return await pursue(job, operation, partial(self._after, job, card, operation))
        except AgentFailure as failure:
            if failure.reason == "agent_too_slow":
                self.give_up(job.quote, operation)
            raise

    def give_up(self, quote: Quote, operation: Operation) -> None:
        """Tell an agent that its work is not wanted any more; nobody waits for its answer."""
        goodbye = asyncio.create_task(self._cancel(quote, operation.ref))
        self._goodbyes.add(goodbye)
        goodbye.add_done_callback(self._goodbyes.discard)

    async def _card(self, url: str) -> Card:
        known = self._cards.get(url)
        now = time.monotonic()
        if known is not None and now - known[0] < CARD_FRESH_S:
            return known[1]
        try:
            card = await find_card(self._http, url, self._settings.offer_timeout_s)
        except CallError as error:
            raise no_answer(error, repeatable=True) from error
        except NoCard as error:
            raise AgentFailure("agent_error", f"The agent's card is of no use: {error}") from error
        if len(self._cards) >= MOST_CARDS:
            self._cards.clear()
        self._cards[url] = now, card
        return card

    async def _begin(self, job: Job, card: Card) -> AgentAnswer | Operation:
        """Send the message: the answer, or the task that it became."""
        asked = messages.request(job, _context_id(job))
        operation = Operation(ref="", began_at=datetime.now(UTC))
        room = self._settings.agent_answer_bytes + 2 * asked.ByteSize()  # It may be told again.
        async with self._client(job, card, job.limit_s, room) as (client, bridge):
            try:
                async with asyncio.timeout(min(job.patience_s, job.limit_s)):
                    events: Any = client.send_message(asked)
                    async with contextlib.aclosing(events):
                        async for event in events:
                            if event.HasField("message"):
                                said = messages.words(event.message.parts)
                                return _answer(job, operation, said)
                            operation = await _noted(job, operation, event)
                            if (now := messages.status_of(event)) and messages.is_over(now):
                                break
            except TimeoutError:
                if not operation.ref:
                    raise too_slow() from None
            except Exception as error:
                if not operation.ref:
                    raise _failure(error, bridge) from error
                log.info("an agent's stream broke off", error=type(error).__name__)
        if not operation.ref:
            raise AgentFailure("agent_error", NO_ANSWER)
        return operation

    async def _known(self, job: Job, card: Card) -> Operation | None:
        """The task that the message became when it was sent before, if the agent can tell."""
        if card.interface.wire != "1.0":
            return None
        context_id = _context_id(job)
        asked = ListTasksRequest(context_id=context_id, page_size=5, history_length=0)
        async with self._client(job, card) as (client, bridge):
            try:
                found = await client.list_tasks(asked)
            except Exception as error:
                if bridge.broke:
                    raise _failure(error, bridge) from error
                return None
        for task in found.tasks:
            state = task.status.state
            if task.context_id == context_id and task.id and state not in messages.ENDED:
                operation = Operation(ref=task.id, began_at=datetime.now(UTC))
                await job.notes.keep(operation)
                return operation
        return None

    async def _after(self, job: Job, card: Card, operation: Operation) -> AgentAnswer | Progress:
        """Ask once how the task stands."""
        async with self._client(job, card) as (client, bridge):
            try:
                task = await client.get_task(GetTaskRequest(id=operation.ref, history_length=0))
            except Exception as error:
                failure = _failure(error, bridge)
                away = isinstance(bridge.broke, (TooSlow, Unreachable))
                failure.again = away or failure.reason == "agent_busy"
                raise failure from error
        self._check(job, operation, task)
        if task.status.state == messages.DONE:
            return _answer(job, operation, messages.result(task))
        return messages.progress(task.status)

    def _check(self, job: Job, operation: Operation, task: Task) -> None:
        """Raise what a task has come to that is no success and goes on no more."""
        if task.id != operation.ref:
            raise AgentFailure("agent_error", "The agent answered with another task.")
        if task.status.state in messages.INTERRUPTED:
            self.give_up(job.quote, operation)
        if failure := messages.failure(task.status):
            raise failure

    async def _cancel(self, quote: Quote, task_id: str) -> None:
        try:
            async with asyncio.timeout(CANCEL_S):
                card = await self._card(quote.endpoint_url)
                async with self._client(None, card) as (client, _):
                    await client.cancel_task(CancelTaskRequest(id=task_id))
        except Exception as error:  # noqa: BLE001  (it is a courtesy)
            log.info("an agent was not told that its work is over", error=type(error).__name__)

    @contextlib.asynccontextmanager
    async def _client(
        self, job: Job | None, card: Card, total_s: float | None = None, room: int | None = None
    ) -> AsyncIterator[tuple[Client, Bridge]]:
        """A client for one request, which leaves through our guard, and what becomes of it."""
        settings, place = self._settings, card.interface
        limits = Limits(total_s or settings.offer_timeout_s, room or settings.agent_answer_bytes)
        about = headers(job.traceparent if job else None)
        del about["Content-Type"]
        bridge = Bridge(self._http, limits, about, partial(signed, self._signer, job))
        async with httpx_client(bridge) as http:
            config = ClientConfig(
                streaming=card.streaming,
                polling=True,
                httpx_client=http,
                supported_protocol_bindings=[place.binding],
            )
            described = AgentCard(
                name=card.name,
                capabilities=AgentCapabilities(streaming=card.streaming),
                supported_interfaces=[
                    AgentInterface(
                        url=place.url,
                        protocol_binding=place.binding,
                        protocol_version=place.wire,
                        tenant=place.tenant,
                    )
                ],
            )
            yield ClientFactory(config).create(described), bridge


def _context_id(job: Job) -> str:
    return str(uuid.uuid5(_CONTEXTS, job.key))


async def _noted(job: Job, operation: Operation, event: StreamResponse) -> Operation:
    """The operation with its task's id, kept as soon as it is known; news are told."""
    task_id = messages.task_id_of(event)
    if task_id and not operation.ref:
        operation = operation.model_copy(update={"ref": task_id})
        await job.notes.keep(operation)
    if (status := messages.status_of(event)) and not messages.is_over(status):
        await job.notes.tell(messages.progress(status))
    return operation


def _answer(job: Job, operation: Operation, said: str) -> AgentAnswer:
    """Work of an agent that sends no bill: it costs what its listing says."""
    return AgentAnswer(
        result=said,
        cost=job.quote.base_price,
        subtask_type=job.subtask_type,
        requires_external_tool=False,
        external_cost=Decimal(0),
        vendor=None,
        execution_time=took_ms(operation),
    )


def _failure(error: Exception, bridge: Bridge) -> AgentFailure:
    """What an error of the library means; its words are the agent's only where it refuses."""
    if bridge.broke is not None:
        return no_answer(bridge.broke, repeatable=False)
    if bridge.refused is not None:
        status, wait_s = bridge.refused
        try:
            read(status, b"", Work, wait_s)
        except AgentFailure as failure:
            return failure
    said = readable(" ".join(str(error).split()), MAX_WORDS).rstrip(".")
    if isinstance(error, REFUSED):
        return AgentFailure("agent_refused_payload", f"The agent cannot work with this: {said}.")
    if isinstance(error, TaskNotFoundError):
        return AgentFailure("agent_error", "The agent does not know this work any more.")
    if isinstance(error, A2AError) and not isinstance(error, (A2AClientError, InternalError)):
        return AgentFailure("agent_error", f"The agent failed: {said}.")
    log.info("an agent's answer is none", error=type(error).__name__)
    return AgentFailure("agent_error", NO_ANSWER)
