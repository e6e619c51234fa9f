"""Waiting for the assistant: the event, the end of the wait, and nobody waiting for nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from nats.aio.msg import Msg

from contracts.chat import (
    FORGET_MESSAGES,
    POST_MESSAGE,
    Forgotten,
    TurnCompleted,
)
from contracts.errors import Conflict, NotFound, Unavailable
from contracts.turns import GET_TURN, TurnView
from gateway.turns import Turns
from tests.gateway import samples
from tests.support.gateways import (
    Served,
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)
from tests.support.polling import until

SAY = {"content": "Translate 'hello' to Spanish"}


@pytest.fixture(scope="module")
async def hasty(bus_url: str) -> AsyncIterator[Served]:
    """A gateway that waits hardly at all."""
    with serving(gateway_settings(bus_url, chat_wait_s=0.3)) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
        yield served


async def test_two_may_wait_for_one_turn(services: StandIns) -> None:
    """Whoever lost the claim of a key to another request may still wait beside it."""
    turns, ended = Turns(), samples.turn_end("one")
    with turns.expect("one") as before:
        with turns.expect("one") as after, turns.expect("other") as other:
            assert turns.waiting == 3
            await turns.heard(Msg(services.client, "s", data=ended.model_dump_json().encode()))
            assert (before.done(), after.done(), other.done()) == (True, True, False)
        assert turns.waiting == 1
    assert turns.waiting == 0


async def test_the_answer_comes_with_the_event(
    http: httpx.AsyncClient, services: StandIns, served: Served
) -> None:
    await services.answer(POST_MESSAGE, samples.posted)

    asking = asyncio.create_task(
        http.post("/api/hubchat/message", json={**SAY, "maxBudget": 2, "taskId": "t1"})
    )
    await until(lambda: services.got(POST_MESSAGE), "the message was passed on")
    request = services.got(POST_MESSAGE)[0].body
    await services.publish(samples.turn_end("another-turn"))
    await services.client.publish("bazaar.evt.turn.completed.x", b"no event at all")
    await services.client.publish("bazaar.evt.turn.completed.x", b'{"turnId": "half"}')
    assert not asking.done()
    await services.publish(samples.turn_end(request.turn_id))

    answer = (await asking).json()
    assert answer["success"] is True
    assert answer["done"] is True
    assert answer["turnId"] == request.turn_id
    assert answer["taskId"] == "t1"
    assert answer["message"]["content"] == "hola"
    assert answer["message"]["costBreakdown"]["total"] == 0.36
    assert (request.max_budget, request.task_id) == (2, "t1")
    assert served.gateway.turns.waiting == 0


async def test_a_turn_may_end_before_the_message_is_acknowledged(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    async def quick(request: Any) -> Any:
        await services.publish(samples.turn_end(request.turn_id))
        await services.publish(samples.turn_end(request.turn_id))
        return samples.posted(request)

    await services.answer(POST_MESSAGE, quick)
    assert (await http.post("/api/hubchat/message", json=SAY)).json()["done"] is True


async def test_turns_are_not_mixed_up(http: httpx.AsyncClient, services: StandIns) -> None:
    await services.answer(POST_MESSAGE, samples.posted)
    says = [
        asyncio.create_task(http.post("/api/hubchat/message", json={"content": f"wish {n}"}))
        for n in range(20)
    ]
    await until(lambda: len(services.got(POST_MESSAGE)) == 20, "all were passed on")
    for asked in reversed(services.got(POST_MESSAGE)):
        message = samples.ANSWER.model_copy(update={"content": f"answer to {asked.body.content}"})
        await services.publish(TurnCompleted(turn_id=asked.body.turn_id, message=message))
    for n, say in enumerate(says):
        answer = (await say).json()
        assert answer["message"]["content"] == f"answer to wish {n}"


async def test_when_the_wait_ends_first_the_turn_goes_on(services: StandIns, hasty: Served) -> None:
    await services.answer(POST_MESSAGE, samples.posted)
    async with hasty.client() as http:
        answer = await http.post("/api/hubchat/message", json=SAY)
    body = answer.json()
    assert answer.status_code == 200
    assert body == {
        "success": True,
        "turnId": services.got(POST_MESSAGE)[0].body.turn_id,
        "taskId": "t1",
        "done": False,
        "message": None,
    }
    assert hasty.gateway.turns.waiting == 0
    await services.publish(samples.turn_end(body["turnId"]))  # too late, and no harm


async def test_nobody_waits_when_the_chat_service_is_down(
    http: httpx.AsyncClient, services: StandIns, served: Served
) -> None:
    assert_problem(await http.post("/api/hubchat/message", json=SAY), 503, "chat service is down")
    await services.answer(POST_MESSAGE, Unavailable("The chat service cannot reach its database."))
    assert_problem(await http.post("/api/hubchat/message", json=SAY), 503, "database")
    assert served.gateway.turns.waiting == 0


async def test_a_caller_that_hangs_up_is_not_waited_for(services: StandIns, served: Served) -> None:
    await services.answer(POST_MESSAGE, samples.posted)
    async with served.client() as leaving:
        asking = asyncio.create_task(leaving.post("/api/hubchat/message", json=SAY))
        await until(lambda: services.got(POST_MESSAGE), "the message was passed on")
        assert served.gateway.turns.waiting == 1
        asking.cancel()
        await asyncio.wait({asking})
    await until(lambda: served.gateway.turns.waiting == 0, "the waiter is gone")


async def test_an_empty_task_id_is_as_good_as_none(services: StandIns, hasty: Served) -> None:
    await services.answer(POST_MESSAGE, samples.posted)
    async with hasty.client() as http:
        answer = await http.post("/api/hubchat/message", json={**SAY, "taskId": ""})
    assert answer.status_code == 200
    assert services.got(POST_MESSAGE)[0].body.task_id is None


async def test_what_became_of_a_turn_can_be_asked(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(GET_TURN, TurnView(turn_id="t1", task_id="a1", done=False))
    going_on = await http.get("/api/turns/t1")
    assert (going_on.status_code, going_on.json()) == (
        200,
        {"success": True, "turnId": "t1", "taskId": "a1", "done": False, "message": None},
    )
    ended = samples.turn_end("t1")
    await services.answer(
        GET_TURN, TurnView(turn_id="t1", task_id=ended.task_id, done=True, message=ended.message)
    )
    answer = (await http.get("/api/turns/t1")).json()
    assert (answer["done"], answer["message"]["content"]) == (True, "hola")
    assert answer["message"]["costBreakdown"]["total"] == 0.36

    await services.answer(GET_TURN, NotFound("Turn not found"))
    assert_problem(await http.get("/api/turns/another-s"), 404, "Turn not found")
    assert_problem(await http.get("/api/turns/a%20b"), 404, "Turn not found")
    assert len(services.got(GET_TURN)) == 3


async def test_what_was_said_about_a_task_can_be_forgotten(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(FORGET_MESSAGES, Forgotten(messages=4))
    answer = await http.delete("/api/hubchat/messages/t1")
    assert (answer.status_code, answer.json()) == (200, {"messages": 4})
    assert services.got(FORGET_MESSAGES)[0].body.task_id == "t1"

    for refusal in (NotFound("Nothing was said about this task."), Conflict("Wait for it.")):
        await services.answer(FORGET_MESSAGES, refusal)
        answer = await http.delete("/api/hubchat/messages/t1")
        assert_problem(answer, refusal.code, refusal.message)
    assert_problem(await http.delete("/api/hubchat/messages/a%20b"), 404, "Task not found")
    assert len(services.got(FORGET_MESSAGES)) == 3
