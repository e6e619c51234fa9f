"""Tokens of an issuer: whose are taken, what a rotation does, and an issuer that is away."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.base import Id
from contracts.errors import Unavailable
from contracts.task import LIST_TASKS
from gateway.identity import Unknown, account_named
from gateway.issuer import IssuerKeys
from gateway.tokens import Tokens
from tests.gateway import samples
from tests.gateway.credentials import Issuer, bearer, issuing
from tests.support.gateways import (
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
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": "a" * 256},
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


@pytest.mark.parametrize(
    "sub", ["auth0|123", "a.b", "alice@example.com", "no account", "jwt_" + "0" * 32, "a" * 255]
)
async def test_a_name_that_is_no_id_has_an_account_of_its_own(issuer: Issuer, sub: str) -> None:
    tokens = checker(issuer, Clock())
    account = (await tokens.identify(issuer.token(issuer.new_key("one"), sub=sub))).account
    assert account == f"jwt_{sha256(sub.encode()).hexdigest()[:32]}"


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_two_names_have_one_account(one: str, two: str) -> None:
    found = set()
    for name in (one, two):
        with suppress(ValueError):
            found.add(account_named(name))
            found.add(account_named(account_named(name)))
    names = {name for name in (one, two) if name.isprintable() and len(name) <= 255}
    derived = {name for name in names if account_named(name) != name}
    assert len(found) == len(names) + len(derived)
    for account in found:
        TypeAdapter(Id).validate_python(account)


def rsa_set(**more: Any) -> tuple[rsa.RSAPrivateKey, bytes]:
    """A key, and a set of it alone as an issuer may publish it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    public.pop("key_ops", None)
    return key, json.dumps({"keys": [{**public, **more}]}).encode()


CLAIMS = {"iss": "https://issuer.example", "aud": "bazaar", "sub": "alice", "exp": 2**33}


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "PS384"])
async def test_a_key_that_names_no_algorithm_is_for_all_of_its_kind(
    issuer: Issuer, algorithm: Any
) -> None:
    key, issuer.says = rsa_set(kid="one")
    tokens = checker(issuer, Clock(), jwt_algorithms=(algorithm, "ES256"))
    signed = jwt.encode(CLAIMS, key, algorithm, headers={"kid": "one"})
    assert (await tokens.identify(signed)).account == "alice"
    other = jwt.encode(CLAIMS, key, "RS384", headers={"kid": "one"})
    with pytest.raises(Unknown, match="algorithm"):
        await tokens.identify(other)
    elliptic = jwt.encode(CLAIMS, ec.generate_private_key(ec.SECP256R1()), "ES256")
    with pytest.raises(Unknown):
        await tokens.identify(elliptic)


async def test_a_key_that_names_its_algorithm_is_for_no_other(issuer: Issuer) -> None:
    key, issuer.says = rsa_set(kid="one", alg="RS256")
    tokens = checker(issuer, Clock(), jwt_algorithms=("RS256", "PS256"))
    for algorithm, right in (("RS256", True), ("PS256", False)):
        signed = jwt.encode(CLAIMS, key, algorithm, headers={"kid": "one"})
        if right:
            assert (await tokens.identify(signed)).account == "alice"
        else:
            with pytest.raises(Unknown):
                await tokens.identify(signed)


@pytest.mark.parametrize("named", [None, "one"], ids=["token without kid", "token with kid"])
async def test_the_only_key_needs_no_id_whatever_tokens_say(
    issuer: Issuer, named: str | None
) -> None:
    key, issuer.says = rsa_set()
    tokens = checker(issuer, Clock())
    signed = jwt.encode(CLAIMS, key, "RS256", headers={"kid": named} if named else None)
    for _ in range(3):
        assert (await tokens.identify(signed)).account == "alice"
    assert issuer.asked == 1


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
