"""`Idempotency-Key`: answered again and not carried out again, at any replica, after a crash."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from contracts.cards import OPEN_CHECKOUT
from contracts.chat import POST_MESSAGE
from contracts.errors import (
    NotFound,
    PaymentRequired,
    TooSlow,
    Unavailable,
)
from contracts.ledger import REFUND_PAYMENT, PaymentReply
from contracts.task import CREATE_TASK, INVOKE_AGENT
from tests.gateway import samples
from tests.gateway.credentials import bearer, make_key
from tests.gateway.keyed import CALL, PATH, key
from tests.support.gateways import (
    Served,
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)
from tests.support.polling import until


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
    assert refused.headers["idempotency-outcome"] == "running"
    enough.set()
    assert (await running).status_code == 200
    assert (await http.post(PATH, json=CALL, headers=same)).status_code == 200
    assert len(services.got(INVOKE_AGENT)) == 1


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
    assert_problem(first, 422, "payload")
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert services.asked == []


async def test_a_checkout_that_is_asked_for_again_is_the_same(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(OPEN_CHECKOUT, TooSlow("No answer."))
    same, path = key(), "/api/payments/checkout"
    for _ in range(2):
        assert_problem(await http.post(path, json={"amount": 5}, headers=same), 504)
        assert_problem(await http.post(path, json={"amount": 5}), 504)
    first, without, second, other = (asked.body.payment_id for asked in services.asked)
    assert first is not None
    assert first == second
    assert without is other is None


async def test_an_unreachable_bus_is_503(tmp_path: Any) -> None:
    del tmp_path
    with serving(gateway_settings("nats://127.0.0.1:1")) as served:
        async with served.client() as http:
            answer = await http.post(PATH, json=CALL, headers=key())
    assert_problem(answer, 503)
    assert answer.headers["idempotency-outcome"] == "open"


async def test_not_found_is_kept_for_its_address_alone(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(REFUND_PAYMENT, NotFound("Payment not found"))
    same = key()
    for id_ in ("p1", "p2"):
        answer = await http.post(f"/api/payments/bazaarbucks/{id_}/refund", json={}, headers=same)
        assert_problem(answer, 404)
        assert "idempotency-replayed" not in answer.headers
