"""What a message asks for: a wish for HubChat, or the call of an agent; and carrying it out."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from a2a.types import Message, Part, Role, SendMessageRequest, TaskPushNotificationConfig
from a2a.utils.errors import ContentTypeNotSupportedError, InvalidParamsError
from google.protobuf.json_format import MessageToDict
from starlette.types import Scope

from gateway.doors.a2a.tasks import CONTEXT, TURN
from gateway.doors.shared.answers import ID, Refused
from gateway.doors.shared.inside import Inside

CALLS = ("agentId", "quoteId")
"""Members of the metadata that make a message the call of an agent."""
WAIT_S = 95.0
"""How long a message waits for its end; then its task is at work, and is asked after."""
AGAIN_S = 0.5
WHOLE = 2**53
NO_TASK = "Task not found"
"""What the API says of a task that the account has not."""


@dataclass(slots=True)
class Order:
    """A request of the API that a message stands for.

    Attributes:
        path: where it is posted.
        body: what.
        key: the same for the same message: whoever sends it again pays once.
        context: the one that the message names; its answers name it, too.
        notes: `effect` is the id of the step or turn, once its key is claimed.
        push: who is told how its task goes on, besides the caller.
    """

    path: str
    body: dict[str, Any]
    key: str
    context: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    push: TaskPushNotificationConfig | None = None

    @property
    def is_turn(self) -> bool:
        """Whether HubChat is asked."""
        return self.path == WISH

    @property
    def effect(self) -> str | None:
        """The id of the step or turn that comes of it; None until that is known."""
        effect: str | None = self.notes.get("effect")
        return effect


WISH = "/api/hubchat/message"
CALL = "/api/invoke-agent"


def order_of(request: SendMessageRequest) -> Order:
    """What a message asks for.

    Raises:
        A2AError: nothing that could be asked for here.
    """
    message = request.message
    if message.role != Role.ROLE_USER:
        raise InvalidParamsError("message.role: ROLE_USER is expected")
    about = {**_told(request.metadata), **_told(message.metadata)}
    text = "\n".join(part.text for part in message.parts if part.HasField("text"))
    data = [_json(part.data) for part in message.parts if part.HasField("data")]
    if strange := next((one for one in message.parts if not _is_taken(one)), None):
        raise ContentTypeNotSupportedError(f"A part with {strange.WhichOneof('content')} is sent.")
    key = sha256(message.message_id.encode()).hexdigest()
    if any(about.get(name) for name in CALLS):
        return Order(CALL, _call(message, about, text, data), key, message.context_id)
    if data:
        raise ContentTypeNotSupportedError("HubChat reads text; metadata.agentId calls an agent.")
    return Order(WISH, _wish(message, about, text), key, message.context_id)


def _call(message: Message, about: Mapping[str, Any], text: str, data: list[Any]) -> dict[str, Any]:
    if len(data) > 1 or any(not isinstance(one, dict) for one in data):
        raise InvalidParamsError("message.parts: one data part, an object, is a payload.")
    payload = {**(data[0] if data else {}), **({"text": text} if text else {})}
    named = {name: about[name] for name in (*CALLS, "maxPrice") if name in about}
    return {**named, "payload": payload, **_context(message)}


def _wish(message: Message, about: Mapping[str, Any], text: str) -> dict[str, Any]:
    named = {name: about[name] for name in ("maxBudget",) if name in about}
    return {**named, "content": text, **_context(message)}


def _context(message: Message) -> dict[str, str]:
    """The task that is gone on with: a context of ours is one; a turn without any is none."""
    context = message.context_id
    return {"taskId": context} if ID.fullmatch(context) and not context.startswith(TURN) else {}


def _told(metadata: Any) -> dict[str, Any]:
    found: dict[str, Any] = _json(metadata)
    return found


def _json(value: Any) -> Any:
    try:
        return _plain(MessageToDict(value))
    except ValueError:
        raise InvalidParamsError("NaN and numbers without an end are no JSON.") from None


def _is_taken(part: Part) -> bool:
    return part.WhichOneof("content") in {"text", "data"}


def _plain(value: Any) -> Any:
    """JSON as it was sent: to the library all numbers are floats, and whole ones here are whole."""
    if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE:
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


async def carry_out(inside: Inside, outer: Scope, order: Order) -> dict[str, Any]:
    """Do what is asked for, in its context: a task of ours, or the caller's own word for one.

    Raises:
        Refused: the API said no.
    """
    named = order.context and not order.context.startswith(TURN)
    if named and "taskId" not in order.body:  # No task can have that name.
        await _settle_in(inside, outer, order)
        named = False
    try:
        return await _asked(inside, outer, order)
    except Refused as refused:
        if not named or refused.sentence != NO_TASK:
            raise
    await _settle_in(inside, outer, order)
    return await _asked(inside, outer, order)


async def _settle_in(inside: Inside, outer: Scope, order: Order) -> None:
    """Go on with the task that a context of the caller's own stands for; it follows from its name.

    The message is another request from here on, so its key is another.
    """
    name = sha256(order.context.encode()).hexdigest()
    task = await inside.post(outer, "/api/tasks", {"userQuery": f"{CONTEXT}{order.context}"}, name)
    order.body["taskId"] = task["id"]
    order.key = sha256(f"{order.key} in {name}".encode()).hexdigest()


async def _asked(inside: Inside, outer: Scope, order: Order) -> dict[str, Any]:
    """Ask, and ask again while it is at work: the key makes that one and the same."""
    until = asyncio.get_running_loop().time() + WAIT_S
    while True:
        late = asyncio.get_running_loop().time() >= until
        try:
            said = await inside.ask(
                outer, "POST", order.path, body=order.body, key=order.key, notes=order.notes
            )
        except Refused as refused:
            if late or refused.headers.get("idempotency-outcome") != "running":
                raise
            await asyncio.sleep(AGAIN_S)
            continue
        found: dict[str, Any] = said.json()
        if late or found.get("done", True):
            return found
