"""Cancelling: of a task, and of a turn that HubChat works on."""

from fastapi import APIRouter, Request, Response

from contracts import api
from contracts.cancelling import CANCEL_TASK, CancelReply, CancelTask
from contracts.errors import NotFound
from contracts.task import GET_TASK, GetTask, TaskStatus
from contracts.turns import CANCEL_TURN, CancelledTurn, CancelTurn
from gateway.asking import answer, ask, known_id
from gateway.errors import problems
from gateway.parameters import PathId, StrictRoute

router = APIRouter(route_class=StrictRoute)


@router.post(
    "/api/tasks/{id}/cancel",
    tags=["tasks"],
    summary="Cancel a task",
    response_model=api.Cancellation,
    responses=problems(404, 504),
)
async def cancel_task(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """No further step begins, and what is held comes back; what is paid stays paid.

    With it, the turn that works on it. What has ended stays as it is.
    """
    task_id = known_id(id, "Task")
    turn = await _turn_of(request, task_id)
    if turn is not None and not turn.done:
        # The turn ends its task.
        status = "failed" if turn.cancelled else await _status(request, task_id)
        return _say(task_id, turn.turn_id, status, cancelled=turn.cancelled)
    found = await _task(request, task_id)
    if found is not None:
        was = found.cancelled or (turn is not None and turn.cancelled)
        return _say(task_id, turn.turn_id if turn else None, found.task.status, cancelled=was)
    if turn is None or not turn.cancelled:
        raise NotFound("Task not found")
    return _say(task_id, turn.turn_id, "failed", cancelled=True)


@router.post(
    "/api/turns/{id}/cancel",
    tags=["chat"],
    summary="Cancel a turn",
    response_model=api.Cancellation,
    responses=problems(404, 504),
)
async def cancel_turn(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """With it, its task; the assistant's message says what was paid so far."""
    turn = await ask(request, CANCEL_TURN, CancelTurn(turn_id=known_id(id, "Turn")))
    if turn.cancelled:
        return _say(turn.task_id, turn.turn_id, "failed", cancelled=True)
    status = await _status(request, turn.task_id) if turn.task_id else None
    return _say(turn.task_id, turn.turn_id, status, cancelled=False)


async def _turn_of(request: Request, task_id: str) -> CancelledTurn | None:
    """The newest turn of a task, cancelled if it was open; None when there is none."""
    try:
        return await ask(request, CANCEL_TURN, CancelTurn(task_id=task_id))
    except NotFound:
        return None


async def _task(request: Request, task_id: str) -> CancelReply | None:
    try:
        return await ask(request, CANCEL_TASK, CancelTask(task_id=task_id))
    except NotFound:
        return None


async def _status(request: Request, task_id: str) -> TaskStatus | None:
    try:
        return (await ask(request, GET_TASK, GetTask(task_id=task_id))).task.status
    except NotFound:
        return None


def _say(
    task_id: str | None, turn_id: str | None, status: TaskStatus | None, *, cancelled: bool
) -> Response:
    return answer(
        api.Cancellation(task_id=task_id, turn_id=turn_id, cancelled=cancelled, status=status)
    )
