"""Tools of MCP servers, by the mcp library.

A call is one request, and there is no place to ask for its outcome: what was interrupted by an end
of this process is called again. Within one process, a call that may have arrived is not.
"""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import structlog
from mcp import Client, MCPError
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from chassis.outbound import Limits, Outbound
from chassis.protocols.bridge import Bridge
from chassis.protocols.mcp_client import BrokeDown, apart, mcp_client
from task_svc.answers import MAX_WORDS, AgentFailure, Work, read
from task_svc.domain import MAX_RESULT_CHARS, readable
from task_svc.protocols.asking import headers, signed
from task_svc.protocols.files import inline_base64, linked
from task_svc.protocols.job import AgentAnswer, Job, Operation, Progress
from task_svc.protocols.pursuing import took_ms
from task_svc.protocols.retries import no_answer, too_slow, with_retries
from task_svc.protocols.schemas import complaint
from task_svc.settings import Settings
from task_svc.signing import Signer

log = structlog.get_logger()

KEY = "agentbazaar/idempotencyKey"
"""In a call's `_meta`: the same for every call for the same work."""
TWICE = 2
"""A tool's result may be there as text and as data."""
INVALID_PARAMS, TIMED_OUT = -32602, -32001
MOST_PAGES = 10


class Caller:
    """Calls them."""

    def __init__(self, http: Outbound, settings: Settings, signer: Signer) -> None:
        """Call through `http`, within the limits of `settings`, signed by `signer`."""
        self._http = http
        self._signer = signer
        self._settings = settings

    async def execute(self, job: Job) -> AgentAnswer:
        """Have the tool do the work.

        Raises:
            AgentFailure: it did not do it.
        """
        if job.quote.tool is None:
            raise AgentFailure("agent_error", "The listing names no tool of its server.")
        began = Operation(ref="", began_at=datetime.now(UTC))
        result = await with_retries(self._settings, partial(self._called, job))
        if result.is_error:
            said = " ".join(_words(result.content, MAX_WORDS).split()).rstrip(".")
            sentence = f"The tool failed: {said}." if said else "The tool failed."
            raise AgentFailure("agent_error", sentence)
        text = _words(result.content, MAX_RESULT_CHARS)
        if not text and result.structured_content is not None:
            text = json.dumps(result.structured_content, ensure_ascii=False)
        return AgentAnswer(
            result=readable(text, MAX_RESULT_CHARS),
            cost=job.quote.base_price,
            subtask_type=job.subtask_type,
            requires_external_tool=False,
            external_cost=Decimal(0),
            vendor=None,
            execution_time=took_ms(began),
        )

    async def _called(self, job: Job) -> CallToolResult:
        """One call."""
        size = TWICE * self._settings.agent_answer_bytes
        about = headers(job.traceparent)
        del about["Content-Type"]
        limits = Limits(job.limit_s, size)
        sign = partial(signed, self._signer, job)
        bridge = Bridge(self._http, limits, about, sign, counting=("POST",))
        sent = asyncio.Event()
        try:
            found = await apart(self._call(job, bridge, size, sent), job.limit_s)
        except TimeoutError:
            raise too_slow() from None
        except BrokeDown as broke:
            raise _failure(broke.error, bridge, sent=sent.is_set()) from broke
        if isinstance(found, AgentFailure):
            raise found
        return found

    async def _call(
        self, job: Job, bridge: Bridge, size: int, sent: asyncio.Event
    ) -> CallToolResult | AgentFailure:
        async def tell(progress: float, total: float | None, message: str | None) -> None:
            share = progress / total if total else None
            percent = round(100 * share) if share is not None and 0 <= share <= 1 else None
            await job.notes.tell(Progress(percent, message))

        url, name = job.quote.endpoint_url, job.quote.tool or ""
        meta: Any = {KEY: job.key}
        async with mcp_client(bridge, url, job.limit_s, size) as client:
            sent.set()
            # What is raised in this block would leave it in a group, with others of the library's.
            try:
                found = await client.call_tool(name, job.payload, progress_callback=tell, meta=meta)
                return (await _fault(client, job, name) or found) if found.is_error else found
            except Exception as error:  # noqa: BLE001  (the library's are of all kinds)
                return _failure(error, bridge, sent=True)


async def _fault(client: Client, job: Job, name: str) -> AgentFailure | None:
    """Why a tool failed, where its server's list of tools tells: not everything is its fault."""
    cursor = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            if tool.name == name:
                wrong = complaint(tool.input_schema, job.payload)
                sentence = f"The tool cannot work with this: {wrong}."
                return AgentFailure("agent_refused_payload", sentence) if wrong else None
        if (cursor := page.next_cursor) is None:
            return AgentFailure("agent_error", "The server has no such tool any more.")
    return None


def _words(content: Iterable[ContentBlock], most: int) -> str:
    """What a tool sends as one text; files by reference."""
    return readable("\n\n".join(filter(None, map(_block, content))), most)


def _block(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            return inline_base64(block.data, block.type, block.mime_type)
        case ResourceLink():
            return linked(
                str(block.uri), block.title or block.name, block.mime_type or "", block.size
            )
        case EmbeddedResource(resource=TextResourceContents() as text):
            return text.text
        case EmbeddedResource(resource=BlobResourceContents() as blob):
            return inline_base64(blob.blob, str(blob.uri)[:200], blob.mime_type or "")
        case _:
            return ""


def _failure(error: BaseException, bridge: Bridge, *, sent: bool) -> AgentFailure:
    """What became of a call.

    Args:
        error: what the library raised.
        bridge: the way out, which knows more.
        sent: whether the tool itself may have been called.
    """
    if bridge.broke is not None:
        return no_answer(bridge.broke, repeatable=not sent)
    if bridge.refused is not None:
        status, wait_s = bridge.refused
        try:
            read(status, b"", Work, wait_s)
        except AgentFailure as failure:
            return failure
    if isinstance(error, MCPError):
        said = readable(" ".join(error.message.split()), MAX_WORDS).rstrip(".")
        if error.code == INVALID_PARAMS:
            return AgentFailure("agent_refused_payload", f"The tool cannot work with this: {said}.")
        if error.code == TIMED_OUT:
            return too_slow()
    log.info("a tool's answer is none", error=type(error).__name__)
    return AgentFailure("agent_error", "The tool failed, or answered with what is no answer.")
