"""Tasks and turns of ours as tasks of theirs: states, artifacts, and the bill as metadata.

A task has its own id here, and a turn `turn_` and its id: a turn may come to its end without a
task. The context of both is the task that a further message goes on with.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from a2a.types import Artifact, Message, Part, Role, Task, TaskState, TaskStatus
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.types import Scope

from gateway.doors.a2a.errors import known
from gateway.doors.shared.answers import Refused, place
from gateway.doors.shared.inside import Inside
from gateway.doors.shared.telling import BILL, bill_of

TURN = "turn_"
MOST_STEPS = 500
ANSWER = "answer"
CONTEXT = "A2A context: "
"""What the wish of a task begins with that stands for a context of a client's own."""
STATES: dict[str, TaskState] = {
    "created": TaskState.TASK_STATE_SUBMITTED,
    "in_progress": TaskState.TASK_STATE_WORKING,
    "completed": TaskState.TASK_STATE_COMPLETED,
    "failed": TaskState.TASK_STATE_FAILED,
}
ENDED = frozenset(
    {
        TaskState.TASK_STATE_COMPLETED,
        TaskState.TASK_STATE_FAILED,
        TaskState.TASK_STATE_CANCELED,
    }
)


async def find(inside: Inside, outer: Scope, id_: str) -> Task:
    """A task as it stands.

    Raises:
        TaskNotFoundError: the account has none with this id.
        Refused: it cannot be told now.
    """
    with known():
        return await _find(inside, outer, id_)


async def _find(inside: Inside, outer: Scope, id_: str) -> Task:
    if id_.startswith(TURN):
        turn = await inside.get(outer, place("/api/turns/{}", id_.removeprefix(TURN)))
        return await of_turn(inside, outer, turn)
    task = await inside.get(outer, place("/api/tasks/{}", id_))
    return of_task(task, await steps_of(inside, outer, id_))


async def steps_of(inside: Inside, outer: Scope, task_id: str) -> list[dict[str, Any]]:
    """The steps of a task.

    Raises:
        Refused: the account has none with this id, or it cannot be told now.
    """
    steps: list[dict[str, Any]] = await inside.get(
        outer, place("/api/tasks/{}/steps", task_id), limit=MOST_STEPS
    )
    return steps


async def of_turn(inside: Inside, outer: Scope, turn: Mapping[str, Any]) -> Task:
    """A turn, from the answer of GET /api/turns/{id}; how it ended is asked of its task."""
    id_, context = turn["turnId"], turn.get("taskId")
    state = TaskState.TASK_STATE_COMPLETED
    if context is not None:
        try:
            task = await _find(inside, outer, context)
        except Refused:  # It made none, or has made none yet.
            pass
        else:
            context = task.context_id
            # One that has not ended is gone on with.
            state = task.status.state if task.status.state in ENDED else state
    if not turn["done"]:
        return at_work(f"{TURN}{id_}", context)
    message = turn.get("message") or {}
    found = Task(
        id=f"{TURN}{id_}",
        context_id=context or f"{TURN}{id_}",
        status=_status(state, message.get("createdAt")),
        metadata=_billed(message.get("costBreakdown")),
    )
    if message:
        found.artifacts.append(_artifact(ANSWER, message["content"]))
    return found


def of_task(task: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> Task:
    """A task with its steps: each result is an artifact, each cost a line of the bill."""
    state = STATES[task["status"]]
    failed = [step for step in steps if step["status"] == "failed"]
    if state == TaskState.TASK_STATE_FAILED and any(
        step.get("reason") == "cancelled" for step in failed
    ):
        state = TaskState.TASK_STATE_CANCELED
    why = failed[-1].get("error") if failed and state in ENDED else None
    done = [step for step in steps if step["status"] == "completed"]
    bills = {step["id"]: bill_of({**step, "stepId": step["id"]}) for step in done}
    return Task(
        id=task["id"],
        context_id=context_of(task),
        status=_status(state, task.get("completedAt") or task["createdAt"], why, task["id"]),
        artifacts=[_artifact(step["id"], step["result"] or "", bills[step["id"]]) for step in done],
        metadata=_billed({"total": task["totalCost"], "steps": [*bills.values()]}),
    )


def context_of(task: Mapping[str, Any]) -> str:
    """The context that a task is: what its client calls it, or its id."""
    words: str = task["userQuery"]
    return words.removeprefix(CONTEXT) if words.startswith(CONTEXT) else task["id"]


def of_call(result: Mapping[str, Any]) -> Task:
    """A call that succeeded, from the answer of POST /api/invoke-agent."""
    bill = bill_of(result)
    return Task(
        id=result["taskId"],
        context_id=result["taskId"],
        status=TaskStatus(state=TaskState.TASK_STATE_COMPLETED, timestamp=_now()),
        artifacts=[_artifact(result["stepId"], result["result"], bill)],
        metadata=_billed({"total": _sum(result), "steps": [bill]}),
    )


def _sum(result: Mapping[str, Any]) -> float:
    """BazaarBucks that a call cost in all; amounts have six decimals."""
    return round(float(result["cost"]) + float(result["externalCost"]), 6)


def at_work(id_: str, context: str | None) -> Task:
    """A task of which nothing is known but that it is at work."""
    status = TaskStatus(state=TaskState.TASK_STATE_WORKING, timestamp=_now())
    return Task(id=id_, context_id=context or id_, status=status)


def without_artifacts(task: Task) -> Task:
    """The task without them."""
    task.ClearField("artifacts")
    return task


def saying(text: str, task_id: str, part: str) -> Message:
    """A sentence about a task; `part` tells it from others of the same task."""
    return Message(
        message_id=f"{task_id}-{part}"[:128],
        role=Role.ROLE_AGENT,
        parts=[Part(text=text)],
        task_id=task_id,
    )


def _status(
    state: TaskState, at: str | None, why: str | None = None, task_id: str = ""
) -> TaskStatus:
    status = TaskStatus(state=state)
    if at is not None:
        status.timestamp.FromDatetime(datetime.fromisoformat(at))
    if why is not None:
        status.message.CopyFrom(saying(why, task_id, "status"))
    return status


def _artifact(id_: str, text: str, bill: Mapping[str, Any] | None = None) -> Artifact:
    part = Part(text=text, media_type="text/plain")
    return Artifact(artifact_id=id_, name="result", parts=[part], metadata=_billed(bill))


def _billed(bill: Mapping[str, Any] | None) -> Struct | None:
    if bill is None:
        return None
    told = Struct()
    told.update({BILL: dict(bill)})
    return told


def _now() -> Timestamp:
    now = Timestamp()
    now.GetCurrentTime()
    return now
