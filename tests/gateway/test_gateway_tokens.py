"""Tokens of an issuer: whose are taken, what a rotation does, and an issuer that is away."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from contracts.errors import Unavailable
from contracts.task import LIST_TASKS
from gateway.identity import Unknown
from gateway.issuer import IssuerKeys
from gateway.tokens import Tokens
from tests.gateway import samples
from tests.gateway.credentials import Issuer, bearer, issuing
from tests.gateway.helpers import (
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


def jwt_settings(issuer: Issuer, bus_url: str = "nats://127.0.0.1:1", **more: Any) -> Any:
    return gateway_settings(
        bus_url,
        auth_mode="jwt",
        jwks_url=issuer.url,
        jwt_issuer="https://issuer.example",
        jwt_audience="bazaar",
        **more,
    )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def checker(issuer: Issuer, clock: Clock, **more: Any) -> Tokens:
    return Tokens(jwt_settings(issuer, **more), IssuerKeys(issuer.url, 300, clock))


@pytest.fixture
async def door(bus_url: str, issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    with serving(jwt_settings(issuer, bus_url)) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
            yield http


async def test_a_token_decides_about_account_and_scopes(
    door: httpx.AsyncClient, issuer: Issuer, services: StandIns
) -> None:
    await services.answer(LIST_TASKS, samples.TASKS)
    key = issuer.new_key("one")
    mine = bearer(issuer.token(key))
    assert (await door.get("/api/tasks", headers=mine)).status_code == 200
    assert services.got(LIST_TASKS)[0].envelope.account == "alice"
    reader = bearer(issuer.token(key, sub="bob", scope=None, scp=["read", "other"]))
    assert (await door.get("/api/tasks", headers=reader)).status_code == 200
    assert services.got(LIST_TASKS)[1].envelope.account == "bob"
    refused = await door.post("/api/tasks", json={"userQuery": "x"}, headers=reader)
    assert_problem(refused, 403, "write")
    over = bearer(issuer.token(key, exp=int(time.time()) - 60))
    wrong = await door.get("/api/tasks", headers=over)
    assert_problem(wrong, 401, "not valid")
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "somebody-else"},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"nbf": 2**33},
        {"sub": None},
        {"sub": "no account"},
        {"sub": "a.b"},
        {"sub": ""},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_us_is_refused(
    issuer: Issuer, claims: dict[str, Any]
) -> None:
    key = issuer.new_key("one")
    tokens = checker(issuer, Clock())
    assert (await tokens.identify(issuer.token(key))).account == "alice"
    with pytest.raises(Unknown):
        await tokens.identify(issuer.token(key, **claims))


def forged(algorithm: str, secret: bytes | None = None) -> str:
    """A token as libraries would refuse to make it."""

    def text(part: bytes) -> str:
        return base64.urlsafe_b64encode(part).decode().rstrip("=")

    claims = {"iss": "https://issuer.example", "aud": "bazaar", "sub": "alice", "exp": 2**33}
    head = json.dumps({"alg": algorithm, "kid": "one"}).encode()
    signed = f"{text(head)}.{text(json.dumps(claims).encode())}"
    by = hmac.digest(secret, signed.encode(), "sha256") if secret else b""
    return f"{signed}.{text(by)}"


async def test_only_named_algorithms_count(issuer: Issuer) -> None:
    key = issuer.new_key("one")
    tokens = checker(issuer, Clock())
    stranger = issuer.new_key("one", published=False)
    for token in (
        issuer.token(stranger),
        forged("HS256", issuer.published()),  # signed with what everybody may read
        forged("none"),
        issuer.token(key)[:-4],
        "not.a.token",
        "",
    ):
        with pytest.raises(Unknown):
            await tokens.identify(token)
    with pytest.raises(Unknown, match="algorithm"):
        await checker(issuer, Clock(), jwt_algorithms=("RS256",)).identify(issuer.token(key))


async def test_keys_are_fetched_once_and_again_when_one_is_new(issuer: Issuer) -> None:
    clock = Clock()
    tokens = checker(issuer, clock)
    old = issuer.new_key("one")
    await asyncio.gather(*(tokens.identify(issuer.token(old)) for _ in range(20)))
    assert issuer.asked == 1

    new = issuer.new_key("two")
    clock.now += 3
    assert (await tokens.identify(issuer.token(new, "two"))).account == "alice"
    assert issuer.asked == 2
    with pytest.raises(Unknown):  # The old one was taken back.
        await tokens.identify(issuer.token(old))

    # Made-up key ids do not make us ask again and again.
    for number in range(50):
        with pytest.raises(Unknown):
            await tokens.identify(issuer.token(old, f"made-up-{number}"))
    assert issuer.asked == 2
    clock.now += 301
    await tokens.identify(issuer.token(new, "two"))
    assert issuer.asked == 3


async def test_an_issuer_that_is_away_is_no_wrong_token(issuer: Issuer) -> None:
    clock = Clock()
    tokens = checker(issuer, clock)
    key = issuer.new_key("one")
    issuer.away = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await tokens.identify(issuer.token(key))
    assert issuer.asked == 1
    issuer.away = False
    clock.now += 3
    assert (await tokens.identify(issuer.token(key))).account == "alice"

    # What was known is used for an hour; whether a new key is valid cannot be told.
    issuer.away = True
    clock.now += 1800
    assert (await tokens.identify(issuer.token(key))).account == "alice"
    with pytest.raises(Unavailable):
        await tokens.identify(issuer.token(issuer.new_key("two"), "two"))
    clock.now += 1801
    with pytest.raises(Unavailable):
        await tokens.identify(issuer.token(key))


async def test_away_is_503_over_http(door: httpx.AsyncClient, issuer: Issuer) -> None:
    issuer.away = True
    answer = await door.get("/api/tasks", headers=bearer(issuer.token(issuer.new_key("one"))))
    assert_problem(answer, 503, "cannot be fetched")


def test_an_issuer_must_be_named() -> None:
    with pytest.raises(ValidationError, match="JWKS_URL, JWT_ISSUER, JWT_AUDIENCE"):
        gateway_settings("nats://127.0.0.1:1", auth_mode="jwt")
    for odd in ("HS256", "none", "RS256,HS256"):
        with pytest.raises(ValidationError):
            gateway_settings("nats://127.0.0.1:1", jwt_algorithms=odd)
