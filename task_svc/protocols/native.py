"""Agents of our own protocol: an answer to /execute, a place to ask for it, or a stream of lines.

`202` with a `Location` says where the outcome is asked for. A body of type
`application/x-ndjson` has a line of JSON whenever there is something to tell; its last is the
answer.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator

from chassis.endings import end
from chassis.outbound import AddressRefused, Answer, Limits, Listener, Outbound, parse
from task_svc.answers import AgentFailure, Work, parsed, read
from task_svc.protocols import paid
from task_svc.protocols.asking import Asking, Question, headers, json_body
from task_svc.protocols.job import AgentAnswer, Job, Operation, Progress
from task_svc.protocols.pursuing import pursue, took_ms
from task_svc.protocols.retries import with_retries
from task_svc.settings import Settings
from task_svc.signing import Signer

LINES = "application/x-ndjson"
ASKS = "payment-required"
"""The header of a 402 that says how it is paid."""
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
MAX_PLACE_CHARS = 2_000
MOST_PERCENT = 100


def _percent(said: Any) -> int | None:
    if isinstance(said, bool) or not isinstance(said, (int, float)):
        return None
    return round(said) if 0 <= said <= MOST_PERCENT else None


class _News(BaseModel):
    """What an agent says before it is done, as far as we read it."""

    percent: Annotated[int | None, BeforeValidator(_percent)] = None
    message: Annotated[str, BeforeValidator(lambda x: x if isinstance(x, str) else "")] = ""
    location: Annotated[str, BeforeValidator(lambda x: x if isinstance(x, str) else "")] = ""


def _news(body: bytes) -> _News:
    try:
        return parsed(body, _News)
    except (ValueError, RecursionError):
        return _News()


class Caller:
    """Calls them."""

    def __init__(self, http: Outbound, settings: Settings, signer: Signer) -> None:
        """Call through `http`, within the limits of `settings`, signed by `signer`."""
        self._asking = Asking(http, settings, signer)
        self._settings = settings

    async def execute(self, job: Job) -> AgentAnswer:
        """Have the agent do the work, or go on asking for it.

        Raises:
            AgentFailure: it did not answer, or not with an answer.
            Waiting: it works on.
        """
        if job.operation is not None:
            return await pursue(job, job.operation, partial(self._after, job, job.operation))
        operation = Operation(ref="", began_at=datetime.now(UTC))
        found = await with_retries(self._settings, partial(self._begin, job))
        if isinstance(found, paid.Paid):
            return found.answer(took_ms(operation))
        if isinstance(found, Work):
            return AgentAnswer(**found.model_dump(), execution_time=took_ms(operation))
        place, progress = found
        operation = operation.model_copy(update={"ref": place})
        await job.notes.keep(operation)
        return await pursue(job, operation, partial(self._after, job, operation), progress)

    async def _begin(self, job: Job) -> Work | paid.Paid | tuple[str, Progress]:
        """Call /execute: the work, paid by x402 where that is wanted, or where it is asked for."""
        limits = Limits(job.limit_s, self._settings.agent_answer_bytes)
        url = job.quote.endpoint_url.rstrip("/") + "/execute"
        about = headers(job.traceparent, job.key) | {"Accept": f"application/json, {LINES}"}
        about |= job.own_headers(url)
        asked = Question("POST", url, "/execute", about, limits, json_body(job.payload))
        async with _listening(job) as (listener, lines):
            said = await self._asking.send(asked, listener)
        if said.status == HTTPStatus.PAYMENT_REQUIRED and job.pay and ASKS in said.headers:
            return await paid.ask_again(self._asking, job.pay, asked, said.headers[ASKS])
        if said.status == HTTPStatus.ACCEPTED and (place := _place(said, job.quote.endpoint_url)):
            news = _news(said.body)
            return place, Progress(news.percent, news.message, said.retry_after_s)
        return read(said.status, said.body or lines.last, Work, said.retry_after_s)

    async def _after(self, job: Job, operation: Operation) -> AgentAnswer | Progress:
        """Ask once for what the agent has taken on."""
        route, _, query = operation.ref.partition("?")
        home = parse(job.quote.endpoint_url)
        url = home.url.removesuffix(home.path or "/") + route
        about = headers(job.traceparent) | dict(job.own_headers(url))
        limits = Limits(self._settings.offer_timeout_s, self._settings.agent_answer_bytes)
        asked = Question("GET", url, "(outcome)", about, limits, query=query)
        try:
            said = await self._asking.send(asked)
        except AgentFailure as failure:
            failure.again = failure.again or failure.reason == "agent_too_slow"
            raise
        if said.status == HTTPStatus.ACCEPTED or said.status in BUSY:
            news = _news(said.body)
            return Progress(news.percent, news.message, said.retry_after_s)
        if said.status in GONE:
            raise AgentFailure("agent_error", "The agent does not know this work any more.")
        work = read(said.status, said.body, Work, said.retry_after_s)
        return AgentAnswer(**work.model_dump(), execution_time=took_ms(operation))


def _place(said: Answer, url: str) -> str | None:
    """The path, perhaps with a query, where an agent says that the outcome is asked for.

    Raises:
        AgentFailure: it is elsewhere than at the agent's own origin.
    """
    named = said.headers.get("location") or _news(said.body).location
    if not named:
        return None
    elsewhere = AgentFailure("agent_error", "The agent named a place that is not its own.")
    if len(named) > MAX_PLACE_CHARS:
        raise elsewhere
    home = parse(url)
    if named.startswith("/") and not named.startswith("//"):
        origin = home.url.removesuffix(home.path or "/")
        named = origin + named
    bare, mark, query = named.partition("?")
    try:
        place = parse(bare)
    except AddressRefused:
        raise elsewhere from None
    if (place.scheme, place.host, place.port) != (home.scheme, home.host, home.port):
        raise elsewhere
    return (place.path or "/") + mark + query


class _Lines:
    """Lines of JSON as they arrive; `last` is the one that the answer is."""

    def __init__(self) -> None:
        self.new: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._rest = bytearray()
        self._whole = b""

    @property
    def last(self) -> bytes:
        return bytes(self._rest) if self._rest.strip() else self._whole

    def feed(self, piece: bytes) -> None:
        """Take what has arrived."""
        self._rest += piece
        if b"\n" not in piece:
            return
        *whole, rest = self._rest.split(b"\n")
        self._rest = bytearray(rest)
        said = [bytes(line) for line in whole if line.strip()]
        self._whole = said[-1] if said else self._whole
        if said and self.new.empty():
            self.new.put_nowait(said[-1])


@contextlib.asynccontextmanager
async def _listening(job: Job) -> AsyncIterator[tuple[Listener, _Lines]]:
    """Hear the lines of an answer that is made of them, and tell of them meanwhile."""
    lines = _Lines()
    telling: list[asyncio.Task[None]] = []

    async def tell() -> None:
        while True:
            news = _news(await lines.new.get())
            await job.notes.tell(Progress(news.percent, news.message))

    def begin(_status: int, _headers: Mapping[str, str]) -> None:
        telling.append(asyncio.create_task(tell()))

    try:
        yield Listener(frozenset((LINES,)), begin, lines.feed), lines
    finally:
        await end(*telling)
