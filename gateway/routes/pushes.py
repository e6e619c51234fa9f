"""Pushes: who is told by A2A how one task goes on. What the A2A door asks, and nobody else."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from contracts import bodies
from contracts.pushes import (
    ADD_PUSH,
    DELETE_PUSH,
    LIST_PUSHES,
    About,
    DeletePush,
    ListPushes,
)
from contracts.task import GET_TASK, GetTask
from contracts.turns import GET_TURN, GetTurn
from gateway.asking import answer, ask, known_id
from gateway.bodies import JsonRoute
from gateway.parameters import PathId, StrictRoute

TURN = "turn_"
WHERE = "/api/pushes"
router = APIRouter(route_class=StrictRoute, include_in_schema=False)
posts = APIRouter(route_class=JsonRoute, include_in_schema=False)


@posts.post(WHERE)
async def add_push(request: Request, body: bodies.NewPush) -> Response:
    """Its task is the account's own; 404 else. With `onlyLook` the address alone is looked at."""
    if not body.only_look:
        await _own(request, body.about)
    said = await ask(request, ADD_PUSH, body)
    return answer(said)


@router.get(WHERE)
async def list_pushes(request: Request, about: Annotated[About, Query()]) -> Response:
    """Those about a task of the account's own; 404 else."""
    await _own(request, about)
    said = await ask(request, LIST_PUSHES, ListPushes(about=about))
    return answer(said)


@router.delete(f"{WHERE}/{{about}}/{{id}}")
async def delete_push(request: Request, about: PathId, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """What waits for it is not told any more; one that is not there has ended."""
    await _own(request, about)
    order = DeletePush(about=about, push_id=known_id(id, "Push"))
    said = await ask(request, DELETE_PUSH, order)
    return answer(said)


async def _own(request: Request, about: str) -> None:
    if about.startswith(TURN):
        await ask(request, GET_TURN, GetTurn(turn_id=known_id(about.removeprefix(TURN), "Turn")))
    else:
        await ask(request, GET_TASK, GetTask(task_id=known_id(about, "Task")))
