"""Cancelling over HTTP: who is asked, and what is answered, also the second time."""

import httpx
import pytest

from contracts.cancelling import CANCEL_TASK, CancelReply
from contracts.errors import NotFound, Unavailable
from contracts.task import GET_TASK, TaskReply
from contracts.turns import CANCEL_TURN, CancelledTurn
from tests.gateway import samples
from tests.support.gateways import StandIns, assert_problem

FAILED = samples.TASK.model_copy(update={"status": "failed"})
RUNS = samples.TASK.model_copy(update={"status": "in_progress", "completed_at": None})
NO_TURN = NotFound("Turn not found")


def turn(*, cancelled: bool, done: bool, task_id: str | None = "t1") -> CancelledTurn:
    return CancelledTurn(turn_id="u1", task_id=task_id, cancelled=cancelled, done=done)


async def test_a_task_made_by_hand_is_cancelled_by_the_task_service(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(CANCEL_TURN, NO_TURN)
    await services.answer(CANCEL_TASK, CancelReply(task=FAILED, cancelled=True))
    expected = {"taskId": "t1", "turnId": None, "cancelled": True, "status": "failed"}
    for _ in range(2):
        answer = await http.post("/api/tasks/t1/cancel")
        assert (answer.status_code, answer.json()) == (200, expected)


async def test_a_turn_is_cancelled_by_the_chat_service_alone(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(CANCEL_TURN, turn(cancelled=True, done=False))
    answers = [
        (await http.post(path)).json() for path in ("/api/tasks/t1/cancel", "/api/turns/u1/cancel")
    ]
    assert answers == [{"taskId": "t1", "turnId": "u1", "cancelled": True, "status": "failed"}] * 2
    # Once more, when it has come to its end.
    await services.answer(CANCEL_TURN, turn(cancelled=True, done=True))
    await services.answer(CANCEL_TASK, CancelReply(task=FAILED, cancelled=True))
    for path in ("/api/tasks/t1/cancel", "/api/turns/u1/cancel"):
        assert (await http.post(path)).json() == answers[0]


async def test_a_turn_that_had_no_task_yet_is_cancelled_by_either_id(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(CANCEL_TASK, NotFound("Task not found"))
    for done in (False, True):
        await services.answer(CANCEL_TURN, turn(cancelled=True, done=done, task_id=None))
        answer = await http.post("/api/tasks/t1/cancel")
        assert (answer.status_code, answer.json()["cancelled"]) == (200, True)
        assert (await http.post("/api/turns/u1/cancel")).json()["taskId"] is None


@pytest.mark.parametrize("path", ["/api/tasks/t1/cancel", "/api/turns/u1/cancel"])
async def test_what_has_ended_is_told_as_it_is(
    http: httpx.AsyncClient, services: StandIns, path: str
) -> None:
    await services.answer(CANCEL_TURN, turn(cancelled=False, done=True))
    await services.answer(CANCEL_TASK, CancelReply(task=samples.TASK, cancelled=False))
    await services.answer(GET_TASK, TaskReply(task=samples.TASK))
    answer = (await http.post(path)).json()
    assert answer == {"taskId": "t1", "turnId": "u1", "cancelled": False, "status": "completed"}


async def test_an_end_that_is_being_settled_is_not_cancelled_any_more(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(CANCEL_TURN, turn(cancelled=False, done=False))
    await services.answer(GET_TASK, TaskReply(task=RUNS))
    answer = (await http.post("/api/tasks/t1/cancel")).json()
    assert (answer["cancelled"], answer["status"]) == (False, "in_progress")
    assert services.got(CANCEL_TASK) == []


async def test_what_nobody_knows_is_not_found(http: httpx.AsyncClient, services: StandIns) -> None:
    await services.answer(CANCEL_TURN, NO_TURN)
    await services.answer(CANCEL_TASK, NotFound("Task not found"))
    assert_problem(await http.post("/api/tasks/t1/cancel"), 404, "Task not found")
    assert_problem(await http.post("/api/turns/u1/cancel"), 404, "Turn not found")
    assert_problem(await http.post("/api/tasks/a.b/cancel"), 404, "Task not found")


async def test_without_the_chat_service_nothing_is_cancelled(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(CANCEL_TURN, Unavailable("The chat service is down."))
    await services.answer(CANCEL_TASK, CancelReply(task=FAILED, cancelled=True))
    assert_problem(await http.post("/api/tasks/t1/cancel"), 503)
    assert services.got(CANCEL_TASK) == []
