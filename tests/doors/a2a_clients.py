"""The a2a library's own client, as somebody's at one of the gateways."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from a2a.client import A2ACardResolver, Client, ClientConfig, create_client
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    Task,
    TaskState,
)
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct, Value

from chassis.bus.envelopes import new_id
from tests.complaints.system import Person

WIRES = (("1.0", "JSONRPC"), ("1.0", "HTTP+JSON"), ("0.3", "JSONRPC"), ("0.3", "HTTP+JSON"))
"""The versions and bindings that the card offers."""
VERSIONS = ("1.0", "0.3")
DONE, WORKING = TaskState.TASK_STATE_COMPLETED, TaskState.TASK_STATE_WORKING
CANCELED, FAILED = TaskState.TASK_STATE_CANCELED, TaskState.TASK_STATE_FAILED


async def client_of(
    person: Person,
    number: int = 0,
    *,
    version: str = "1.0",
    binding: str = "JSONRPC",
    streaming: bool = False,
) -> Client:
    """A client that knows the card, and speaks one of its ways."""
    http = person.at(number)
    base = str(http.base_url).rstrip("/")
    card = await A2ACardResolver(http, base).get_agent_card()
    ways = [
        one
        for one in card.supported_interfaces
        if (one.protocol_version, one.protocol_binding) == (version, binding)
    ]
    del card.supported_interfaces[:]
    card.supported_interfaces.extend(ways)
    config = ClientConfig(
        streaming=streaming, httpx_client=http, supported_protocol_bindings=[binding]
    )
    return await create_client(card, config)


def wish(text: str, id_: str | None = None, **more: Any) -> SendMessageRequest:
    """A message in words."""
    message = Message(
        message_id=id_ or new_id(), role=Role.ROLE_USER, parts=[Part(text=text)], **more
    )
    return SendMessageRequest(message=message)


def call(agent: str, id_: str | None = None, now: bool = False, **about: Any) -> SendMessageRequest:
    """A message that is a call of an agent, with a payload."""
    payload = ParseDict({"text": "hello", "times": 3}, Value())
    metadata = Struct()
    metadata.update({"agentId": agent, **about})
    message = Message(
        message_id=id_ or new_id(),
        role=Role.ROLE_USER,
        parts=[Part(data=payload)],
        metadata=metadata,
    )
    request = SendMessageRequest(message=message)
    request.configuration.return_immediately = now
    return request


def in_context(request: SendMessageRequest, context: str) -> SendMessageRequest:
    request.message.context_id = context
    return request


async def sent(client: Client, request: SendMessageRequest) -> Task:
    """The task that a message is answered with, at once or at the end of the stream."""
    told = [event async for event in client.send_message(request)]
    assert len(told) == 1, told
    return told[0].task


async def closed(told: AsyncIterator[StreamResponse]) -> None:
    """Hang up in the middle of a stream."""
    assert isinstance(told, AsyncGenerator)
    await told.aclose()


async def got(client: Client, id_: str) -> Task:
    return await client.get_task(GetTaskRequest(id=id_))


async def cancelled(client: Client, id_: str) -> Task:
    return await client.cancel_task(CancelTaskRequest(id=id_))


def text_of(task: Task) -> str:
    """The text of the only artifact."""
    [artifact] = task.artifacts
    return "".join(part.text for part in artifact.parts)


def bill_of(task: Task) -> dict[str, Any]:
    bill: dict[str, Any] = MessageToDict(task.metadata)["agentbazaar/bill"]
    return bill


async def until_told(
    told: AsyncIterator[StreamResponse], what: str
) -> tuple[StreamResponse, list[StreamResponse]]:
    """The first event of a kind, and those before it."""
    before: list[StreamResponse] = []
    async for event in told:
        if event.WhichOneof("payload") == what:
            return event, before
        before.append(event)
    raise AssertionError(f"never told: {what}")
