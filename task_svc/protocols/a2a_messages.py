"""What is said to A2A agents, and what their words come to."""

import json
from collections.abc import Iterable
from typing import Any

from a2a.types.a2a_pb2 import (
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
    Task,
    TaskState,
    TaskStatus,
)
from google.protobuf.json_format import MessageToDict, ParseDict

from contracts.task import FailureReason
from task_svc.answers import MAX_WORDS, AgentFailure
from task_svc.domain import MAX_RESULT_CHARS, readable
from task_svc.protocols.files import inline, linked
from task_svc.protocols.job import Job, Progress

SAID_IN = ("text", "query", "task", "message", "prompt", "input", "question")
"""Fields of a payload whose text is what the agent is asked, first match first."""
EXACT = 2**53

DONE = TaskState.TASK_STATE_COMPLETED
ENDED: dict[int, tuple[FailureReason, str]] = {
    TaskState.TASK_STATE_FAILED: ("agent_error", "The agent failed"),
    TaskState.TASK_STATE_CANCELED: ("agent_error", "The agent cancelled the task"),
    TaskState.TASK_STATE_REJECTED: ("agent_refused_payload", "The agent refused the task"),
    TaskState.TASK_STATE_INPUT_REQUIRED: ("agent_refused_payload", "The agent asks for more"),
    TaskState.TASK_STATE_AUTH_REQUIRED: ("agent_error", "The agent asks for credentials"),
}
"""States in which a task does not go on by itself: the reason, and the beginning of a sentence."""
INTERRUPTED = (TaskState.TASK_STATE_INPUT_REQUIRED, TaskState.TASK_STATE_AUTH_REQUIRED)
"""Those of them in which the agent still holds the task."""


def request(job: Job, context_id: str) -> SendMessageRequest:
    """The message for a job; its ids are the job's key, so that a repeat is recognisable.

    What the payload asks in words is a text; when there is more to it, the whole is there as data.
    """
    payload = job.payload
    said = next((payload[name] for name in SAID_IN if isinstance(payload.get(name), str)), None)
    text = said or json.dumps(payload, ensure_ascii=False)
    parts = [Part(text=text.encode("utf-8", "replace").decode())]
    if said is None or len(payload) > 1:
        parts.append(ParseDict({"data": payload}, Part()))
    metadata: dict[str, Any] = {"idempotencyKey": job.key}
    if job.quote.tool:
        metadata["skill"] = job.quote.tool
    message = Message(message_id=job.key, context_id=context_id, role=Role.ROLE_USER, parts=parts)
    message.metadata.update(metadata)
    configuration = SendMessageConfiguration(return_immediately=True, history_length=0)
    return SendMessageRequest(message=message, configuration=configuration)


def result(task: Task) -> str:
    """What a completed task came to: its artifacts, or else its last words."""
    found = [part for artifact in task.artifacts for part in artifact.parts]
    return words(found or task.status.message.parts)


def words(parts: Iterable[Part]) -> str:
    """Parts of a message as one text; files by reference."""
    return readable("\n\n".join(filter(None, map(_part, parts))), MAX_RESULT_CHARS)


def _part(part: Part) -> str:
    kind = part.WhichOneof("content")
    if kind == "text":
        return part.text
    if kind == "url":
        return linked(part.url, part.filename, part.media_type)
    if kind == "raw":
        return inline(part.raw, part.filename, part.media_type)
    if kind == "data":
        # Of the members of an object, this wire keeps no order.
        return json.dumps(_plain(MessageToDict(part)["data"]), ensure_ascii=False, sort_keys=True)
    return ""


def _plain(value: Any) -> Any:
    """Whole numbers as such: on this wire all numbers are floats."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    return value


def progress(status: TaskStatus) -> Progress:
    """What a status that is no end says."""
    state = TaskState.Name(status.state).removeprefix("TASK_STATE_").lower()
    said = words(part for part in status.message.parts if part.WhichOneof("content") == "text")
    return Progress(message=said[:MAX_WORDS] or state)


def failure(status: TaskStatus) -> AgentFailure | None:
    """The failure that a status is; None when it is none."""
    if status.state not in ENDED:
        return None
    reason, sentence = ENDED[status.state]
    said = readable(" ".join(words(status.message.parts).split()), MAX_WORDS).rstrip(".")
    return AgentFailure(reason, f"{sentence}: {said}." if said else f"{sentence}.")


def is_over(status: TaskStatus) -> bool:
    """Whether a task does not go on by itself."""
    return status.state == DONE or status.state in ENDED


def status_of(event: StreamResponse) -> TaskStatus | None:
    """The status that an event tells of, if it does."""
    if event.HasField("task"):
        return event.task.status
    return event.status_update.status if event.HasField("status_update") else None


def task_id_of(event: StreamResponse) -> str:
    """The task that an event is about; nothing when it says none."""
    if event.HasField("task"):
        return event.task.id
    if event.HasField("status_update"):
        return event.status_update.task_id
    return event.artifact_update.task_id
