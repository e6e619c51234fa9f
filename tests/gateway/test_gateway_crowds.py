"""More requests than can be answered in time: the others are refused at once, and ask nothing."""

import asyncio
from typing import Any

import httpx
import pytest

from contracts.chat import POST_MESSAGE
from contracts.task import INVOKE_AGENT
from contracts.topology import IDEMPOTENCY
from gateway import link, turns
from tests.gateway import samples
from tests.gateway.keyed import CALL, PATH, key
from tests.support.gateways import StandIns, assert_problem
from tests.support.polling import eventually, until

SAY = {"content": "Translate 'hello' to Spanish"}
TOO_MANY = 7


async def refused(asking: list[asyncio.Task[httpx.Response]]) -> None:
    """Wait until those who are too many were told so; the others still wait."""
    await until(lambda: sum(one.done() for one in asking) >= TOO_MANY, "some were refused")
    for one in asking:
        if one.done():
            answer = one.result()
            assert_problem(answer, 503, "try again in a moment")
            assert answer.headers["retry-after"] == "1"
    assert sum(one.done() for one in asking) == TOO_MANY


@pytest.mark.parametrize("call", [POST_MESSAGE, INVOKE_AGENT])
async def test_requests_beyond_what_is_answered_in_time_are_refused_at_once(
    http: httpx.AsyncClient,
    services: StandIns,
    call: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most = 5
    monkeypatch.setitem(link.MOST_WAITING, call.subject, most)
    gate = asyncio.Event()

    async def slow(request: Any) -> Any:
        await gate.wait()
        if call is INVOKE_AGENT:
            return samples.RESULT
        await services.publish(samples.turn_end(request.turn_id))
        return samples.posted(request)

    await services.answer(call, slow)
    path: str = "/api/hubchat/message"
    body: dict[str, Any] = dict(SAY)
    if call is INVOKE_AGENT:
        path, body = "/api/invoke-agent", {"agentId": "a", "payload": {}}
    asking = [asyncio.create_task(http.post(path, json=body)) for _ in range(most + TOO_MANY)]
    await refused(asking)
    gate.set()
    answers = await asyncio.gather(*asking)
    assert sum(answer.status_code == 200 for answer in answers) == most
    assert len(services.got(call)) == most
    assert (await http.post(path, json=body)).status_code == 200


async def kept(services: StandIns) -> int:
    """How many keys something is kept of."""
    told = await services.client.jetstream().stream_info(IDEMPOTENCY.stream, subjects_filter=">")
    return len(told.state.subjects or {})


@pytest.mark.parametrize("call", [POST_MESSAGE, INVOKE_AGENT])
async def test_of_who_is_too_many_nothing_is_stored(
    http: httpx.AsyncClient,
    services: StandIns,
    call: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The claim of a key is written to the bus: a crowd's claims would hold up their refusals."""
    most = 5
    monkeypatch.setitem(link.MOST_WAITING, call.subject, most)
    gate = asyncio.Event()

    async def slow(request: Any) -> Any:
        await gate.wait()
        return samples.RESULT if call is INVOKE_AGENT else samples.posted(request)

    await services.answer(call, slow)
    path, body = "/api/hubchat/message", dict(SAY)
    if call is INVOKE_AGENT:
        path, body = PATH, dict(CALL)
    keys = [key() for _ in range(most + TOO_MANY)]
    before = await kept(services)
    asking = [asyncio.create_task(http.post(path, json=body, headers=one)) for one in keys]
    await refused(asking)
    for one in asking:
        if one.done():
            assert "idempotency-outcome" not in one.result().headers

    async def claimed() -> bool:
        return await kept(services) - before == 2 * most  # As this release and 0.2.0 name them.

    await eventually(claimed)
    gate.set()
    if call is POST_MESSAGE:
        await until(lambda: len(services.got(call)) == most, "all are asked")
        for told in services.got(call):
            await services.publish(samples.turn_end(told.body.turn_id))
    answers = await asyncio.gather(*asking)
    assert sum(answer.status_code == 200 for answer in answers) == most


async def test_turns_beyond_what_is_waited_for_are_refused_at_once(
    http: httpx.AsyncClient, services: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 5
    monkeypatch.setattr(turns, "MOST_WAITING", most)
    await services.answer(POST_MESSAGE, samples.posted)
    says = [
        asyncio.create_task(http.post("/api/hubchat/message", json=SAY))
        for _ in range(most + TOO_MANY)
    ]
    await refused(says)
    await until(lambda: len(services.got(POST_MESSAGE)) == most, "all that have room are asked")
    for one in services.got(POST_MESSAGE):
        await services.publish(samples.turn_end(one.body.turn_id))
    answers = await asyncio.gather(*says)
    assert sum(answer.status_code == 200 for answer in answers) == most
