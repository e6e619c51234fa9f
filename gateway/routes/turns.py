"""What became of a turn that its POST did not wait for."""

from fastapi import APIRouter, Request, Response

from contracts import api
from contracts.turns import GET_TURN, GetTurn
from gateway.asking import answer, ask, known_id, shown
from gateway.errors import problems
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["chat"], route_class=StrictRoute)


@router.get(
    "/api/turns/{id}",
    summary="What became of a turn",
    response_model=api.ChatAnswer,
    responses=problems(404, 504),
)
async def get_turn(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """As its POST is answered: `done` says whether it has come to its end."""
    turn = await ask(request, GET_TURN, GetTurn(turn_id=known_id(id, "Turn")))
    return answer(
        api.ChatAnswer(
            turn_id=turn.turn_id,
            task_id=turn.task_id,
            done=turn.done,
            message=turn.message and shown(api.Message, turn.message),
        )
    )
