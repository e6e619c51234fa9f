"""The claim of a key: kept alive by whoever carries its request out, and free soon after."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest

from chassis.topology import bucket_config
from contracts.base import Pong, ping_call
from contracts.task import INVOKE_AGENT
from contracts.topology import IDEMPOTENCY
from gateway.claims import FREE_AFTER_S, Claims, Kept, keyed
from gateway.link import Link
from tests.gateway import samples
from tests.gateway.keyed import CALL, PATH, key, until_carried_out
from tests.gateway.reading import THEN
from tests.gateway.test_gateway_process import process
from tests.support.gateways import DEADLINE_S, ID_SECRET, StandIns, assert_problem, gateway_settings
from tests.support.polling import until


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


async def test_a_claim_is_free_soon_after_its_gateway_was_killed_and_not_before(
    http: httpx.AsyncClient, bus_url: str, services: StandIns
) -> None:
    await services.answer(INVOKE_AGENT, None)  # takes the request, never answers
    await services.answer(ping_call("task"), Pong(service="task", version="1"))  # but lives
    same = key()
    async with process(NATS_URL=bus_url, ID_SECRET=ID_SECRET) as dying:
        lost = asyncio.create_task(dying.http.post(PATH, json=CALL, headers=same))
        await until(lambda: services.got(INVOKE_AGENT) or lost.done(), "it was passed on")
        assert not lost.done(), lost.result().text
        await until_renewed(await claim_of(same, services), same, services)
        assert_problem(await http.post(PATH, json=CALL, headers=same), 409, "still")
        dying.service.kill()
        await asyncio.wait({lost})
        assert isinstance(lost.exception(), httpx.TransportError)
    await services.answer(INVOKE_AGENT, samples.RESULT)
    answer = await until_carried_out(http, PATH, CALL, same)
    assert answer.status_code == 200
    assert "idempotency-replayed" not in answer.headers
    first, second = (asked.body.step_id for asked in services.got(INVOKE_AGENT))
    assert first == second


def name_of(headers: dict[str, str]) -> str:
    """Under which a key is kept."""
    asked = f"demo\n{PATH}\n{headers['Idempotency-Key']}"
    return keyed(ID_SECRET.encode(), asked).name


async def claim_of(headers: dict[str, str], services: StandIns) -> Kept:
    store = await services.client.jetstream().key_value(IDEMPOTENCY.name)
    return Kept.model_validate_json((await store.get(name_of(headers))).value or b"")


async def until_renewed(first: Kept, headers: dict[str, str], services: StandIns) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while (now := await claim_of(headers, services)).alive_at == first.alive_at:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert (now.state, now.holder, now.begun_at) == ("running", first.holder, first.begun_at)


def test_a_claim_is_abandoned_when_it_was_not_renewed() -> None:
    now = datetime.now(UTC)

    def claim(begun_s: float, alive_s: float | None) -> Kept:
        return Kept(
            state="running",
            body_hash="",
            begun_at=now - timedelta(seconds=begun_s),
            alive_at=None if alive_s is None else now - timedelta(seconds=alive_s),
        )

    assert not claim(1000, 0).abandoned(now)
    assert not claim(1000, FREE_AFTER_S - 0.1).abandoned(now)
    assert claim(1000, FREE_AFTER_S).abandoned(now)
    assert not claim(119, None).abandoned(now)  # of a gateway of release 0.2
    assert claim(120, None).abandoned(now)


async def test_a_claim_that_the_bus_did_not_acknowledge_blocks_nobody(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    """It was written, and whoever wrote it was told nothing, so nobody carries the request out."""
    await services.answer(INVOKE_AGENT, samples.RESULT)
    same = key()
    body = http.build_request("POST", PATH, json=CALL).content
    now = datetime.now(UTC)
    left = Kept(
        state="running",
        body_hash=sha256(body).hexdigest(),
        begun_at=now,
        ids="keyed",
        holder="nobody",
        alive_at=now - timedelta(seconds=FREE_AFTER_S - 0.5),
    )
    store = await services.client.jetstream().key_value(IDEMPOTENCY.name)
    await store.create(name_of(same), left.model_dump_json().encode())
    answer = await until_carried_out(http, PATH, CALL, same)
    assert (answer.status_code, len(services.got(INVOKE_AGENT))) == (200, 1)


@pytest.mark.parametrize("taken", [False, True])
async def test_an_outcome_is_kept_though_an_acknowledgement_was_lost(
    bus_url: str, services: StandIns, *, taken: bool
) -> None:
    """What its holder wrote is its own, told or not; what somebody else wrote is not."""
    link = Link(gateway_settings(bus_url), {})
    link.open()
    await until(lambda: link.connected, "connected")
    same = key()
    asked = f"demo\n{PATH}\n{same['Idempotency-Key']}"
    claim = await Claims(link, ID_SECRET.encode()).take(asked, b"{}")
    store = await services.client.jetstream().key_value(IDEMPOTENCY.name)
    found = await claim_of(same, services)
    written = found.model_copy(update={"holder": "another"} if taken else {"alive_at": THEN})
    await store.put(name_of(same), written.model_dump_json().encode())
    await claim.settle(state="done", status=200, body="{}")
    assert (await claim_of(same, services)).state == ("running" if taken else "done")
    await link.close()
