"""A task as it goes on: read out of the event stream, which is the same at every gateway."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeVar

from a2a.server.events.event_queue import Event
from a2a.types import (
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

from chassis.endings import end
from gateway.doors.a2a.orders import Order
from gateway.doors.a2a.tasks import TURN, saying
from gateway.doors.shared.answers import Told

ToldT = TypeVar("ToldT", bound=Event)
EVENTS = "/api/events"
NEWS = {
    "plan.proposed": "There is a plan.",
    "step.started": "An agent is at work: {agentId}.",
    "step.progress": "The agent says: {message}",
    "step.completed": "An agent is done: {agentId}.",
    "step.failed": "An agent failed: {agentId}.",
}
"""What is told of a task on its way, with members of the event's data."""
ENDS = frozenset({"task.completed", "task.failed", "turn.completed"})


@dataclass(slots=True)
class Followed:
    """A task that is followed, by what is known of it so far.

    Attributes:
        id: of the task of theirs.
        task_id: of the task of ours.
        turn_id: of the turn; without one, the task's own end is the end.
        step_id: of the one step, before its task is known.
    """

    id: str | None = None
    task_id: str | None = None
    turn_id: str | None = None
    step_id: str | None = None

    def is_about(self, event: dict[str, Any]) -> bool:
        """Whether an event is; what it says of the ids is noted."""
        if self.turn_id is not None:
            mine = event.get("turnId") == self.turn_id
        elif self.task_id is not None:
            mine = event.get("taskId") == self.task_id
        else:
            data = event.get("data") or {}
            mine = self.step_id is not None and data.get("stepId") == self.step_id
        if mine:
            self.task_id = event.get("taskId") or self.task_id
            self.id = self.id or self.task_id
        return mine

    def ends_with(self, event: dict[str, Any]) -> bool:
        """Whether it has come to its end with this event, which is about it."""
        return event["type"] in ENDS and (event["type"] == "turn.completed") == bool(self.turn_id)


def follow(order: Order) -> Followed:
    """What is known of an order's task now."""
    if order.effect is None:
        return Followed()
    if order.is_turn:
        return Followed(id=f"{TURN}{order.effect}", turn_id=order.effect)
    return Followed(step_id=order.effect)


def followed_by(id_: str) -> Followed:
    """What is known of a task by its id alone."""
    if id_.startswith(TURN):
        return Followed(id_, turn_id=id_.removeprefix(TURN))
    return Followed(id_, task_id=id_)


async def about(followed: Followed, told: AsyncIterator[Told]) -> AsyncIterator[dict[str, Any]]:
    """The events about a task."""
    async for one in told:
        if one.data and one.event is None and followed.is_about(event := one.json()):
            yield event


def news(followed: Followed, event: dict[str, Any]) -> TaskStatusUpdateEvent | None:
    """An event as an update of the status; None for what is not told."""
    text = NEWS.get(event["type"])
    if text is None or followed.id is None:
        return None
    data = event.get("data") or {}
    about = {"agentId": data.get("agentId", ""), "message": data.get("message") or ""}
    message = saying(text.format(**about), followed.id, event["id"])
    status = TaskStatus(state=TaskState.TASK_STATE_WORKING, message=message)
    status.timestamp.GetCurrentTime()
    context = followed.task_id or followed.id
    return TaskStatusUpdateEvent(task_id=followed.id, context_id=context, status=status)


def in_context(told: ToldT, order: Order) -> ToldT:
    """What is told of an order, in the context that its message named."""
    if order.context and not order.context.startswith(TURN):
        told.context_id = order.context
    return told


def last_words(task: Task) -> list[Event]:
    """How a task ended: its artifacts, then the status with the bill."""
    told: list[Event] = [
        TaskArtifactUpdateEvent(
            task_id=task.id, context_id=task.context_id, artifact=artifact, last_chunk=True
        )
        for artifact in task.artifacts
    ]
    end = TaskStatusUpdateEvent(
        task_id=task.id, context_id=task.context_id, status=task.status, metadata=task.metadata
    )
    return [*told, end]


async def until_done(
    told: AsyncIterator[Told], work: "asyncio.Task[Any]"
) -> AsyncGenerator[dict[str, Any]]:
    """The events up to the moment when `work` is done, or the stream ends."""
    hearing: asyncio.Task[Told] | None = None
    try:
        while True:
            hearing = hearing or asyncio.ensure_future(anext(told))
            await asyncio.wait({hearing, work}, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                heard, hearing = hearing, None
                try:
                    event = heard.result()
                except StopAsyncIteration:
                    return
                if event.data and event.event is None:
                    yield event.json()
            elif work.done():
                return
    finally:
        if hearing is not None:
            await end(hearing)
