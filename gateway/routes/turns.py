"""What became of a turn that its POST did not wait for."""

from fastapi import APIRouter, Request, Response

from contracts import api
from contracts.turns import GET_TURN, GetTurn, TurnView
from gateway.asking import answer, as_shown, ask, known_id
from gateway.errors import problems
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["chat"], route_class=StrictRoute)


class ShownTurn(TurnView):
    """The reply about one turn, with numbers."""

    message: api.Message | None = None


_ONE = as_shown(GET_TURN, ShownTurn)


@router.get(
    "/api/turns/{id}",
    summary="What became of a turn",
    response_model=api.ChatAnswer,
    responses=problems(404, 504),
)
async def get_turn(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """As its POST is answered: `done` says whether it has come to its end."""
    turn = await ask(request, _ONE, GetTurn(turn_id=known_id(id, "Turn")))
    return answer(
        api.ChatAnswer(
            turn_id=turn.turn_id, task_id=turn.task_id, done=turn.done, message=turn.message
        )
    )
