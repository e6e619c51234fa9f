"""What an answer to a request with a key means for whoever sends it again."""

import asyncio
import json

import httpx
import pytest

from contracts.chat import POST_MESSAGE
from contracts.errors import (
    BadAnswer,
    Busy,
    Conflict,
    Internal,
    NotFound,
    PaymentRequired,
    Refusal,
    TooSlow,
    Unavailable,
)
from contracts.task import INVOKE_AGENT
from tests.gateway import samples
from tests.gateway.doubles import ChatDouble
from tests.gateway.keyed import CALL, PATH, key, until_carried_out
from tests.support.gateways import (
    Served,
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)
from tests.support.polling import until


@pytest.mark.parametrize("unknown", [TooSlow("No answer."), Unavailable("It went down.")])
async def test_an_unknown_outcome_is_tried_again_with_the_same_ids(
    http: httpx.AsyncClient, services: StandIns, unknown: Exception
) -> None:
    same = key()
    await services.answer(INVOKE_AGENT, unknown)
    assert (await http.post(PATH, json=CALL, headers=same)).status_code in (503, 504)
    changed = {**CALL, "payload": {"text": "bye"}}
    assert_problem(await http.post(PATH, json=changed, headers=same), 422)
    await services.answer(INVOKE_AGENT, samples.RESULT)
    assert (await http.post(PATH, json=CALL, headers=same)).status_code == 200
    asked = [asked.body.step_id for asked in services.got(INVOKE_AGENT)]
    assert len(asked) == 2
    assert asked[0] is not None
    assert asked[0] == asked[1]


async def test_a_caller_who_hung_up_asks_for_the_same_turn_again(
    http: httpx.AsyncClient, services: StandIns, served: Served
) -> None:
    chat = ChatDouble(services)
    await services.answer(POST_MESSAGE, chat)
    same, say = key(), {"content": "hello"}
    async with served.client() as leaving:
        asking = asyncio.create_task(leaving.post("/api/hubchat/message", json=say, headers=same))
        await until(
            lambda: services.got(POST_MESSAGE) or asking.done(), "the message was passed on"
        )
        assert not asking.done(), asking.result().text
        asking.cancel()
        await asyncio.wait({asking})
    await until(lambda: served.gateway.turns.waiting == 0, "nobody waits")
    chat.free.set()
    await until(lambda: chat.ended, "the turn has ended, and nobody has heard it")
    answer = await until_carried_out(http, "/api/hubchat/message", say, same)
    assert answer.json()["done"] is True
    assert answer.json()["message"]["content"] == samples.ANSWER.content
    assert len({asked.body.turn_id for asked in services.got(POST_MESSAGE)}) == 1


async def test_a_message_is_answered_at_once_when_its_turn_has_ended(
    services: StandIns, bus_url: str
) -> None:
    """Whoever was told `done: false` asks again with the key, in place of looking through lists."""
    chat = ChatDouble(services)
    await services.answer(POST_MESSAGE, chat)
    same, path, say = key(), "/api/hubchat/message", {"content": "hello"}
    with serving(gateway_settings(bus_url, chat_wait_s=0.3)) as hasty:
        async with hasty.client() as http:
            await until_answered(http, "/ready", 200)
            for _ in range(2):
                answer = await http.post(path, json=say, headers=same)
                assert (answer.status_code, answer.json()["done"]) == (200, False)
                assert answer.headers["idempotency-outcome"] == "running"
                assert "idempotency-replayed" not in answer.headers
            chat.free.set()
            await until(lambda: chat.ended, "the turn ends, and nobody hears it")
            answer = await http.post(path, json=say, headers=same)
            assert answer.json()["done"] is True
            assert answer.headers["idempotency-outcome"] == "final"
            again = await http.post(path, json=say, headers=same)
            assert (again.content, again.headers["idempotency-replayed"]) == (
                answer.content,
                "true",
            )
    assert len(services.got(POST_MESSAGE)) == 4


async def test_what_was_said_is_kept_by_the_chat_service_alone(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    chat, same, say = ChatDouble(services), key(), {"content": "my secret"}
    chat.free.set()
    await services.answer(POST_MESSAGE, chat)
    first, again = [
        await http.post("/api/hubchat/message", json=say, headers=same) for _ in range(2)
    ]
    assert (first.json(), first.headers["idempotency-outcome"]) == (again.json(), "final")
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = await http.post("/api/hubchat/message", json={"content": "hello"}, headers=same)
    assert other.status_code == 422
    await services.answer(POST_MESSAGE, Conflict("What was said here was forgotten."))
    for _ in range(2):
        refused = await http.post("/api/hubchat/message", json=say, headers=same)
        assert_problem(refused, 409, "forgotten")
        assert refused.headers["idempotency-outcome"] == "final"


async def test_a_busy_conversation_is_no_answer_to_keep(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    chat = ChatDouble(services)
    await services.answer(POST_MESSAGE, chat)
    path, say = "/api/hubchat/message", {"content": "hello", "taskId": "t1"}
    first = asyncio.create_task(http.post(path, json=say))
    await until(lambda: chat.posted, "the first is worked on")
    same = key()
    refused = await http.post(path, json=say, headers=same)
    assert_problem(refused, 409, "still working")
    assert refused.headers["idempotency-outcome"] == "running"
    assert refused.headers["retry-after"] == "1"
    chat.free.set()
    assert (await first).json()["done"] is True
    assert (await http.post(path, json=say, headers=same)).json()["done"] is True


@pytest.mark.parametrize(
    ("refusal", "status", "outcome"),
    [
        (PaymentRequired("The wallet has too little."), 402, "final"),
        (NotFound("Agent not found"), 404, "final"),
        (Conflict("This task belongs to a conversation."), 409, "final"),
        (Busy("This call is still being carried out."), 409, "running"),
        (Internal("Something went wrong on our side."), 500, "open"),
        (BadAnswer("The agent cannot be reached."), 502, "open"),
        (Unavailable("The payment service is down."), 503, "open"),
        (TooSlow("No answer."), 504, "open"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Refusal) else str(value),
)
async def test_an_answer_says_what_it_means_to_send_the_request_again(
    http: httpx.AsyncClient, services: StandIns, refusal: Refusal, status: int, outcome: str
) -> None:
    same = key()
    await services.answer(INVOKE_AGENT, refusal)
    first = await http.post(PATH, json=CALL, headers=same)
    assert_problem(first, status, refusal.message)
    assert first.headers["idempotency-outcome"] == outcome
    assert ("retry-after" in first.headers) == (outcome == "running" or status == 503)
    await services.answer(INVOKE_AGENT, samples.RESULT)
    again = await http.post(PATH, json=CALL, headers=same)
    assert again.headers["idempotency-outcome"] == "final"
    assert again.status_code == (status if outcome == "final" else 200)
    assert ("idempotency-replayed" in again.headers) == (outcome == "final")
    without = await http.post(PATH, json=CALL)
    assert "idempotency-outcome" not in without.headers


async def test_the_wrong_kind_of_body_can_be_sent_right(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(INVOKE_AGENT, samples.RESULT)
    same, body = key(), json.dumps(CALL).encode()
    wrong = await http.post(PATH, content=body, headers=same | {"Content-Type": "text/plain"})
    assert_problem(wrong, 415)
    right = await http.post(PATH, content=body, headers=same | {"Content-Type": "application/json"})
    assert right.status_code == 200
