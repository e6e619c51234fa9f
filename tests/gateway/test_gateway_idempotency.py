"""`Idempotency-Key`: answered again and not carried out again, at any replica, after a crash."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from chassis.topology import bucket_config
from contracts.chat import POST_MESSAGE
from contracts.errors import NotFound, PaymentRequired, TooSlow, Unavailable
from contracts.ledger import REFUND_PAYMENT, PaymentReply
from contracts.task import CREATE_TASK, INVOKE_AGENT
from contracts.topology import IDEMPOTENCY
from gateway import room
from gateway.idempotency import Kept
from tests.gateway import samples
from tests.gateway.credentials import bearer, make_key
from tests.gateway.helpers import (
    ID_SECRET,
    Served,
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until,
    until_answered,
)
from tests.gateway.reading import fresh
from tests.gateway.test_gateway_process import process

CALL: dict[str, Any] = {"agentId": "translator", "payload": {"text": "hello"}}
PATH = "/api/invoke-agent"


def key(name: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": name or fresh("key")}


@pytest.fixture(scope="module")
async def other(bus_url: str) -> AsyncIterator[Served]:
    with serving(gateway_settings(bus_url)) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
        yield served


async def test_the_first_answer_is_given_again_at_every_replica(
    http: httpx.AsyncClient, other: Served, services: StandIns
) -> None:
    await services.answer(INVOKE_AGENT, samples.RESULT)
    same = key()
    first = await http.post(PATH, json=CALL, headers=same)
    again = await http.post(PATH, json=CALL, headers=same)
    async with other.client() as elsewhere:
        there = await elsewhere.post(PATH, json=CALL, headers=same)
    assert first.status_code == 200
    assert "idempotency-replayed" not in first.headers
    for answer in (again, there):
        assert (answer.status_code, answer.content) == (200, first.content)
        assert answer.headers["idempotency-replayed"] == "true"
        assert answer.headers["content-type"] == "application/json"
    assert len(services.got(INVOKE_AGENT)) == 1


async def test_a_refusal_is_given_again_too(http: httpx.AsyncClient, services: StandIns) -> None:
    await services.answer(INVOKE_AGENT, PaymentRequired("The wallet has too little."))
    same = key()
    assert_problem(await http.post(PATH, json=CALL, headers=same), 402)
    await services.answer(INVOKE_AGENT, samples.RESULT)
    again = await http.post(PATH, json=CALL, headers=same)
    assert_problem(again, 402, "too little")
    assert again.headers["idempotency-replayed"] == "true"
    assert (await http.post(PATH, json=CALL, headers=key())).status_code == 200


async def test_another_body_is_422(http: httpx.AsyncClient, services: StandIns) -> None:
    await services.answer(INVOKE_AGENT, samples.RESULT)
    same = key()
    assert (await http.post(PATH, json=CALL, headers=same)).status_code == 200
    changed = {**CALL, "payload": {"text": "bye"}}
    assert_problem(await http.post(PATH, json=changed, headers=same), 422, "another body")
    assert len(services.got(INVOKE_AGENT)) == 1


async def test_what_still_runs_is_409(
    http: httpx.AsyncClient, other: Served, services: StandIns
) -> None:
    enough = asyncio.Event()

    async def slow(_request: Any) -> Any:
        await enough.wait()
        return samples.RESULT

    await services.answer(INVOKE_AGENT, slow)
    same = key()
    running = asyncio.create_task(http.post(PATH, json=CALL, headers=same))
    await until(lambda: services.got(INVOKE_AGENT), "it runs")
    async with other.client() as elsewhere:
        refused = await elsewhere.post(PATH, json=CALL, headers=same)
    assert_problem(refused, 409, "still being carried out")
    assert refused.headers["retry-after"]
    enough.set()
    assert (await running).status_code == 200
    assert (await http.post(PATH, json=CALL, headers=same)).status_code == 200
    assert len(services.got(INVOKE_AGENT)) == 1


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


async def test_what_is_made_has_ids_of_account_address_and_key(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    unknown = Unavailable("It went down.")
    for call in (CREATE_TASK, POST_MESSAGE, REFUND_PAYMENT):
        await services.answer(call, unknown)
    same = key()
    posts: list[tuple[str, Any]] = [
        ("/api/tasks", {"userQuery": "x"}),
        ("/api/hubchat/message", {"content": "x"}),
        ("/api/payments/bazaarbucks/p1/refund", {}),
        ("/api/payments/bazaarbucks/p2/refund", {}),
    ]
    for _ in range(2):
        for path, body in posts:
            assert_problem(await http.post(path, json=body, headers=same), 503)
    tasks = [asked.body.task_id for asked in services.got(CREATE_TASK)]
    turns = [asked.body.turn_id for asked in services.got(POST_MESSAGE)]
    refunds = [asked.body.refund_id for asked in services.got(REFUND_PAYMENT)]
    assert tasks[0] == tasks[1]
    assert turns[0] == turns[1]
    assert refunds[:2] == refunds[2:]
    assert len({tasks[0], turns[0], *refunds}) == 4


async def test_without_a_key_each_request_is_its_own(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    payment = PaymentReply(payment=samples.PAYMENT)
    await services.answer(REFUND_PAYMENT, payment)
    for _ in range(2):
        await http.post("/api/payments/bazaarbucks/p1/refund", json={})
    one, two = (asked.body.refund_id for asked in services.got(REFUND_PAYMENT))
    assert one != two


async def test_a_key_belongs_to_its_account(bus_url: str, services: StandIns) -> None:
    await services.answer(INVOKE_AGENT, samples.RESULT)
    same = key()
    with serving(gateway_settings(bus_url, auth_mode="token")) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
            for account in ("alice", "bob"):
                headers = same | bearer(await make_key(bus_url, account))
                answer = await http.post(PATH, json=CALL, headers=headers)
                assert "idempotency-replayed" not in answer.headers
            assert_problem(await http.post(PATH, json=CALL, headers=same), 401)
    asked = services.got(INVOKE_AGENT)
    assert [one.envelope.account for one in asked] == ["alice", "bob"]
    assert asked[0].body.step_id != asked[1].body.step_id


@pytest.mark.parametrize("name", ["", "a b", "a" * 201, "ä"])
async def test_a_key_that_cannot_be_is_named(
    http: httpx.AsyncClient, services: StandIns, name: str
) -> None:
    headers = {b"Idempotency-Key": name.encode()}
    assert_problem(await http.post(PATH, json=CALL, headers=headers), 422, "Idempotency-Key")
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert_problem(await http.post(PATH, json=CALL, headers=twice), 422, "once")
    assert services.asked == []


async def test_wrong_input_is_answered_again_too(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    same = key()
    first = await http.post(PATH, json={}, headers=same)
    again = await http.post(PATH, json={}, headers=same)
    assert_problem(first, 422, "agentId")
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert services.asked == []


async def test_an_answer_is_kept_though_the_bus_took_nothing_at_first(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    declared = bucket_config(IDEMPOTENCY, 1)
    js = services.client.jetstream()

    async def meanwhile(_request: Any) -> Any:
        await js.update_stream(declared.evolve(max_msg_size=1))
        return samples.RESULT

    await services.answer(INVOKE_AGENT, meanwhile)
    same = key()
    running = asyncio.create_task(http.post(PATH, json=CALL, headers=same))
    await until(lambda: services.got(INVOKE_AGENT), "it runs")
    await asyncio.sleep(0.5)
    await js.update_stream(declared)
    assert (await running).status_code == 200
    again = await http.post(PATH, json=CALL, headers=same)
    assert (again.status_code, again.headers.get("idempotency-replayed")) == (200, "true")
    assert len(services.got(INVOKE_AGENT)) == 1


async def test_a_killed_gateway_leaves_a_claim_that_grows_old(
    http: httpx.AsyncClient, bus_url: str, services: StandIns
) -> None:
    await services.answer(INVOKE_AGENT, None)  # takes the request, never answers
    same = key()
    async with process(NATS_URL=bus_url, ID_SECRET=ID_SECRET) as dying:
        lost = asyncio.create_task(dying.http.post(PATH, json=CALL, headers=same))
        await until(lambda: services.got(INVOKE_AGENT) or lost.done(), "it was passed on")
        assert not lost.done(), lost.result().text
        dying.popen.kill()
        await asyncio.wait({lost})
        assert isinstance(lost.exception(), httpx.TransportError)
    await services.answer(INVOKE_AGENT, samples.RESULT)
    assert_problem(await http.post(PATH, json=CALL, headers=same), 409, "still")

    # Two minutes later; the clock of what is kept is put back in place of waiting.
    store = await services.client.jetstream().key_value(IDEMPOTENCY.name)
    for name in set(await store.keys()) - {room.KEY}:
        entry = await store.get(name)
        kept = Kept.model_validate_json(entry.value or b"")
        if kept.state == "running":
            old = kept.model_copy(update={"begun_at": datetime.now(UTC) - timedelta(seconds=121)})
            await store.update(name, old.model_dump_json().encode(), last=entry.revision)
    answer = await http.post(PATH, json=CALL, headers=same)
    assert answer.status_code == 200
    first, second = (asked.body.step_id for asked in services.got(INVOKE_AGENT))
    assert first == second


async def test_a_caller_who_hung_up_asks_for_the_same_turn_again(
    http: httpx.AsyncClient, services: StandIns, served: Served
) -> None:
    await services.answer(POST_MESSAGE, samples.posted)
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

    async def ended(request: Any) -> Any:
        await services.publish(samples.turn_end(request.turn_id))
        return samples.posted(request)

    await services.answer(POST_MESSAGE, ended)

    async def answered() -> httpx.Response:
        while True:  # What was left behind is written down in a moment.
            answer = await http.post("/api/hubchat/message", json=say, headers=same)
            if answer.status_code != 409:
                return answer
            await asyncio.sleep(0.05)

    answer = await asyncio.wait_for(answered(), 20)
    assert answer.json()["done"] is True
    assert len({asked.body.turn_id for asked in services.got(POST_MESSAGE)}) == 1


async def test_an_unreachable_bus_is_503(tmp_path: Any) -> None:
    del tmp_path
    with serving(gateway_settings("nats://127.0.0.1:1")) as served:
        async with served.client() as http:
            assert_problem(await http.post(PATH, json=CALL, headers=key()), 503)


async def test_not_found_is_kept_for_its_address_alone(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(REFUND_PAYMENT, NotFound("Payment not found"))
    same = key()
    for id_ in ("p1", "p2"):
        answer = await http.post(f"/api/payments/bazaarbucks/{id_}/refund", json={}, headers=same)
        assert_problem(answer, 404)
        assert "idempotency-replayed" not in answer.headers
