"""What a conversation said in the event stream, deleted when its account wants it forgotten.

Nobody else may delete there: the chat service asks the keeper, who deletes its words alone, of the
turns that it names. No service consumes these events, so nothing but words is lost.
"""

from typing import Any

from nats.aio.client import Client
from nats.js.errors import NotFoundError
from pydantic import Field

from chassis.bus import stored
from chassis.observability.telemetry import kind_of
from contracts.base import Id, Model
from contracts.chat import MessagePosted, TurnCompleted, TurnStreamed
from contracts.envelope import TURN
from contracts.task_events import TaskCreated
from contracts.topology import EVENTS

AT_ONCE = 100
WORDS = frozenset(
    f"bazaar.evt.{event.type}"
    for event in (MessagePosted, TurnStreamed, TurnCompleted, TaskCreated)
)
"""The kinds of events that hold what was said; a task's beginning holds the wish."""


class Forget(Model):
    """Turns to forget, and the task that they were about, if any."""

    task_id: Id
    turn_ids: list[Id] = Field(max_length=AT_ONCE)


async def forget(client: Client, body: bytes) -> int:
    """Delete the words of some turns; how many events went. It may be asked for again.

    Raises:
        ValidationError: the request has another shape.
        NatsError: the stream cannot be read or changed now.
    """
    asked = Forget.model_validate_json(body)
    turns, gone = set(asked.turn_ids), 0
    for about in (asked.task_id, *asked.turn_ids):
        first, left = 1, 1
        while left:
            subject = f"bazaar.evt.*.*.{about}"
            page = await stored.read(client, EVENTS.name, subject, first, AT_ONCE)
            for one in page.messages:
                first = one.sequence + 1
                if kind_of(one.subject) in WORDS and one.headers.get(TURN) in turns:
                    gone += await _delete(client, one.sequence)
            left = page.left
    return gone


async def _delete(client: Client, sequence: int) -> bool:
    js: Any = client.jetstream()
    try:
        return bool(await js.delete_msg(EVENTS.name, sequence))
    except NotFoundError:
        return False  # Somebody was faster.
