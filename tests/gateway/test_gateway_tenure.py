"""What is open ends when the credential that opened it no longer holds."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from contracts.chat import POST_MESSAGE
from contracts.task import GET_TASK
from contracts.topology import API_KEYS
from gateway import remembering
from gateway.keys import KeyRing, new_key
from gateway.link import Link
from tests.gateway import samples
from tests.gateway.credentials import bearer, issuing, keytool_says, make_key
from tests.gateway.reading import Heard, fresh, reading, started, tell
from tests.gateway.test_gateway_tokens import jwt_settings
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
async def guarded(bus_url: str) -> AsyncIterator[Served]:
    with serving(gateway_settings(bus_url, auth_mode="token")) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
        yield served


async def ended(heard: Heard, why: str) -> None:
    await until(lambda: heard.ended, "the stream has ended")
    assert heard.notices == [why]


@pytest.mark.parametrize(
    "path",
    ["/api/events", "/api/hubchat/stream", "/api/tasks/t1/events", "/api/hubchat/stream?taskId=t1"],
)
async def test_a_revoked_keys_streams_end_and_no_others(
    bus_url: str, guarded: Served, services: StandIns, path: str
) -> None:
    await services.answer(GET_TASK, samples.ONE_TASK)
    account = fresh("account")
    lost, kept = [await make_key(bus_url, account) for _ in range(2)]
    async with guarded.client() as one, guarded.client() as two:
        one.headers.update(bearer(lost))
        two.headers.update(bearer(kept))
        async with reading(one, path) as heard, reading(two, path) as others:
            assert (await keytool_says(bus_url, "revoke", lost.split("_")[1])).code == 0
            await ended(heard, "revoked")
            await tell(services.client, started("t1"), account)
            await others.until_heard(1)
            assert not others.ended
        assert heard.events == []
        assert_problem(await one.get(path), 401)
    await until(lambda: not guarded.gateway.streams.readers, "nobody reads")


async def test_a_stream_ends_when_its_key_does(guarded: Served, services: StandIns) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    id_, token, kept = new_key(fresh("account"), frozenset({"read"}), expires_at=later)
    bucket = await services.client.jetstream().key_value(API_KEYS.name)
    await bucket.create(id_, kept.model_dump_json().encode())
    async with guarded.client() as http:
        http.headers.update(bearer(token))
        async with reading(http, "/api/events") as heard:
            over = datetime.now(UTC) + timedelta(seconds=0.5)
            sooner = kept.model_copy(update={"expires_at": over})
            await bucket.put(id_, sooner.model_dump_json().encode())
            await ended(heard, "expired")
    assert datetime.now(UTC) >= over


async def test_a_stream_ends_when_its_key_may_no_longer_read(
    guarded: Served, services: StandIns
) -> None:
    id_, token, kept = new_key(fresh("account"), frozenset({"read", "write"}))
    bucket = await services.client.jetstream().key_value(API_KEYS.name)
    await bucket.create(id_, kept.model_dump_json().encode())
    async with guarded.client() as http:
        http.headers.update(bearer(token))
        async with reading(http, "/api/events") as heard:
            note = kept.model_copy(update={"note": "another note"})
            await bucket.put(id_, note.model_dump_json().encode())
            await tell(services.client, started("t1"), kept.account)
            await heard.until_heard(1)
            assert not heard.ended
            less = kept.model_copy(update={"scopes": frozenset({"write"})})
            await bucket.put(id_, less.model_dump_json().encode())
            await ended(heard, "revoked")


async def test_what_was_not_heard_is_noticed(bus_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is heard here, so the key is looked at again."""
    monkeypatch.setattr(remembering, "REMEMBERED_S", 0.05)
    link = Link(gateway_settings(bus_url), {})
    link.open()
    await until(lambda: link.connected, "connected")
    key = await make_key(bus_url, "someone")
    over = (await KeyRing(link).identify(key)).over
    assert over is not None
    waiting = asyncio.ensure_future(over("read"))
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    assert (await keytool_says(bus_url, "revoke", key.split("_")[1])).code == 0
    assert await asyncio.wait_for(waiting, 20) == "revoked"
    await link.close()


async def test_a_stream_ends_when_its_token_does(bus_url: str, services: StandIns) -> None:
    with issuing() as issuer:
        key = issuer.new_key("one")
        account = fresh("account")
        with serving(jwt_settings(issuer, bus_url, jwt_leeway_s=0.5)) as served:
            async with served.client() as http:
                await until_answered(http, "/ready", 200)
                end = int(time.time()) + 2
                http.headers.update(bearer(issuer.token(key, sub=account, exp=end)))
                async with reading(http, "/api/events") as heard:
                    await tell(services.client, started("t1"), account)
                    await heard.until_heard(1)
                    await ended(heard, "expired")
                assert time.time() >= end + 0.5
                http.headers.update(bearer(issuer.token(key, sub=account, exp=10**300)))
                async with reading(http, "/api/events") as again:
                    await tell(services.client, started("t1"), account)
                    await again.until_heard(1)
                    assert not again.ended


async def test_a_request_in_hand_is_answered(
    bus_url: str, guarded: Served, services: StandIns
) -> None:
    """Its caller was known when it began, and what it does cannot be taken back."""
    await services.answer(POST_MESSAGE, samples.posted)
    key = await make_key(bus_url, fresh("account"))
    async with guarded.client() as http:
        http.headers.update(bearer(key))
        saying: asyncio.Task[Any] = asyncio.create_task(
            http.post("/api/hubchat/message", json={"content": "hello"})
        )
        await until(lambda: services.got(POST_MESSAGE), "it was passed on")
        assert (await keytool_says(bus_url, "revoke", key.split("_")[1])).code == 0
        await until_answered(http, "/api/tasks", 401)
        await services.publish(samples.turn_end(services.got(POST_MESSAGE)[0].body.turn_id))
        answer: httpx.Response = await saying
    assert (answer.status_code, answer.json()["done"]) == (200, True)
