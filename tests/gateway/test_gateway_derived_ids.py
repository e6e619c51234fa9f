"""Ids that follow from an Idempotency-Key: nobody guesses them, and two releases agree on them."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.js.kv import KeyValue
from pydantic import ValidationError

from contracts.errors import TooSlow
from contracts.task import INVOKE_AGENT
from contracts.topology import IDEMPOTENCY
from gateway.claims import Kept, keyed, unkeyed
from tests.gateway import samples
from tests.gateway.credentials import bearer, make_key
from tests.gateway.reading import fresh
from tests.support.gateways import (
    ID_SECRET,
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)

BODY = b'{"agentId":"translator","payload":{"text":"hello"}}'
PATH = "/api/invoke-agent"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def store(services: StandIns) -> KeyValue:
    return await services.client.jetstream().key_value(IDEMPOTENCY.name)


def asked(key: str, account: str = "demo") -> str:
    return f"{account}\n{PATH}\n{key}"


async def call(http: httpx.AsyncClient, key: str, **headers: str) -> httpx.Response:
    return await http.post(PATH, content=BODY, headers=JSON | {"Idempotency-Key": key} | headers)


async def test_an_id_is_keyed_with_the_secret_and_so_is_where_it_is_kept(
    http: httpx.AsyncClient, services: StandIns, store: KeyValue
) -> None:
    await services.answer(INVOKE_AGENT, samples.RESULT)
    key = fresh("key")
    assert (await call(http, key)).status_code == 200
    step = services.got(INVOKE_AGENT)[0].body.step_id
    ours = keyed(ID_SECRET.encode(), asked(key))
    assert step == ours.effect
    assert step not in (unkeyed(asked(key)).effect, keyed(b"another", asked(key)).effect)
    kept = Kept.model_validate_json((await store.get(ours.name)).value or b"")
    assert (kept.state, kept.ids) == ("done", "keyed")
    # What is kept where others look holds nothing of it.
    mark = (await store.get(unkeyed(asked(key)).name)).value or b""
    assert step.encode() not in mark
    assert Kept.model_validate_json(mark).body == ""


async def test_gateways_with_one_secret_agree(
    bus_url: str, http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(INVOKE_AGENT, TooSlow("No answer."))
    key = fresh("key")
    assert (await call(http, key)).status_code == 504
    with serving(gateway_settings(bus_url, id_secret=ID_SECRET)) as other:
        async with other.client() as there:
            await until_answered(there, "/ready", 200)
            assert (await call(there, key)).status_code == 504
    first, second = (one.body.step_id for one in services.got(INVOKE_AGENT))
    assert first == second


async def test_without_authentication_no_secret_is_needed_and_gateways_agree(
    bus_url: str, services: StandIns
) -> None:
    """There is one account; whoever could guess an id may look at it anyway."""
    await services.answer(INVOKE_AGENT, TooSlow("No answer."))
    key = fresh("key")
    for _ in range(2):
        with serving(gateway_settings(bus_url, id_secret=None)) as served:
            async with served.client() as http:
                await until_answered(http, "/ready", 200)
                assert (await call(http, key)).status_code == 504
    first, second = (one.body.step_id for one in services.got(INVOKE_AGENT))
    assert first == second


@pytest.mark.parametrize("mode", ["token", "jwt"])
@pytest.mark.parametrize("secret", [None, "short"])
def test_with_authentication_a_secret_is_needed(mode: str, secret: str | None) -> None:
    with pytest.raises(ValidationError, match=r"(?i)id_secret") as refused:
        gateway_settings("nats://127.0.0.1:1", auth_mode=mode, id_secret=secret)
    assert "short" not in str(refused.value).replace("too_short", "")


def test_a_secret_is_not_shown() -> None:
    assert ID_SECRET not in repr(gateway_settings("nats://127.0.0.1:1"))


@given(st.text(), st.text(), st.binary(min_size=1), st.binary(min_size=1))
def test_ids_differ_by_what_is_asked_and_by_the_secret(
    one: str, two: str, secret: bytes, other: bytes
) -> None:
    def of(secret: bytes, text: str) -> str:
        return keyed(secret, text.encode(errors="replace").decode()).effect

    if one.encode(errors="replace") != two.encode(errors="replace"):
        assert of(secret, one) != of(secret, two)
    if secret.rstrip(b"\0") != other.rstrip(b"\0"):  # HMAC fills short secrets up with zeros.
        assert of(secret, one) != of(other, one)


# Beside gateways of release 0.2.


async def left_by_the_old(
    store: KeyValue, key: str, state: str, age_s: float = 0, **more: Any
) -> None:
    """What a gateway of release 0.2 keeps of a key."""
    begun = (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat()
    kept = {"state": state, "bodyHash": sha256(BODY).hexdigest(), "begunAt": begun, **more}
    await store.create(unkeyed(asked(key)).name, json.dumps(kept).encode())


@pytest.mark.parametrize(("state", "age_s"), [("open", 1), ("running", 600)])
async def test_what_an_old_gateway_began_goes_on_with_its_ids(
    http: httpx.AsyncClient, services: StandIns, store: KeyValue, state: str, age_s: float
) -> None:
    key = fresh("key")
    await left_by_the_old(store, key, state, age_s)
    await services.answer(INVOKE_AGENT, TooSlow("No answer."))
    assert (await call(http, key)).status_code == 504
    await services.answer(INVOKE_AGENT, samples.RESULT)
    assert (await call(http, key)).status_code == 200
    again = await call(http, key)
    assert again.headers["idempotency-replayed"] == "true"
    steps = [one.body.step_id for one in services.got(INVOKE_AGENT)]
    assert steps == [unkeyed(asked(key)).effect] * 2


async def test_what_an_old_gateway_answered_or_still_does_is_respected(
    http: httpx.AsyncClient, services: StandIns, store: KeyValue
) -> None:
    done, runs = fresh("key"), fresh("key")
    answer: dict[str, Any] = {
        "status": 200,
        "mediaType": "application/json",
        "body": '{"result":"hola"}',
    }
    await left_by_the_old(store, done, "done", **answer)
    await left_by_the_old(store, runs, "running")
    replayed = await call(http, done)
    assert (replayed.status_code, replayed.json()) == (200, {"result": "hola"})
    assert replayed.headers["idempotency-replayed"] == "true"
    assert_problem(await call(http, runs), 409, "still being carried out")
    assert services.asked == []


async def test_an_old_gateway_does_not_begin_anew_what_was_begun_here(
    http: httpx.AsyncClient, services: StandIns, store: KeyValue
) -> None:
    """It finds a claim of the same body that does not grow old, so it answers 409."""
    await services.answer(INVOKE_AGENT, TooSlow("No answer."))
    key = fresh("key")
    assert (await call(http, key)).status_code == 504
    mark = Kept.model_validate_json((await store.get(unkeyed(asked(key)).name)).value or b"")
    assert (mark.state, mark.body_hash) == ("running", sha256(BODY).hexdigest())
    assert mark.begun_at > datetime.now(UTC) + timedelta(days=1)


async def test_two_accounts_share_nothing(bus_url: str, services: StandIns) -> None:
    await services.answer(INVOKE_AGENT, samples.RESULT)
    key = fresh("key")
    with serving(gateway_settings(bus_url, auth_mode="token")) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
            for account in ("alice", "bob"):
                token = bearer(await make_key(bus_url, account))
                assert (await call(http, key, **token)).status_code == 200
    steps = [one.body.step_id for one in services.got(INVOKE_AGENT)]
    assert steps == [keyed(ID_SECRET.encode(), asked(key, who)).effect for who in ("alice", "bob")]
