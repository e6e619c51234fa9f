"""Whatever a credential looks like, it lets in or it does not: it breaks nothing.

The answers are those of the door in front of an app that says 200; an error that nobody caught is
one of the test.
"""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.types import ASGIApp

from contracts.errors import Unavailable
from gateway.auth import Check, Door
from gateway.identity import Unknown
from gateway.issuer import IssuerKeys, NoKeys, usable
from gateway.tokens import Tokens
from tests.gateway.credentials import Issuer, bearer, issuing
from tests.gateway.test_gateway_tokens import jwt_settings
from tests.support.gateways import assert_problem

GOOD: dict[str, Any] = {
    "iss": "https://issuer.example",
    "aud": "bazaar",
    "sub": "alice",
    "scope": "read write",
    "exp": 2**33,
}
HEAD: dict[str, Any] = {"alg": "ES256", "kid": "one", "typ": "JWT"}
DECIDED = {200, 401, 403}

WORDS = st.text() | st.sampled_from(["read", "alice", "bazaar", "b64", "one", "\ud800", "\x00", ""])
NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([10**400, -(10**400), 2**63, int(time.time()) + 600, 1e308, -1])
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@dataclass
class Doors:
    """The door, and the key that it trusts."""

    runner: asyncio.Runner
    app: ASGIApp
    key: ec.EllipticCurvePrivateKey

    def answer(self, *given: bytes) -> httpx.Response:
        """What comes back for these Authorization headers."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://door") as http:
                headers = [(b"Authorization", one) for one in given]
                return await http.get("/api/agents", headers=headers)

        return self.runner.run(ask())

    def signed(self, head: bytes, claims: bytes) -> bytes:
        parts = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (head, claims))
        signature = jwt.algorithms.ECAlgorithm(
            jwt.algorithms.ECAlgorithm.SHA256, ec.SECP256R1
        ).sign(parts, self.key)
        return b"Bearer " + parts + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")


async def let_in(scope: Any, receive: Any, send: Any) -> None:
    await Response(b"in")(scope, receive, send)


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    with issuing() as issuer, asyncio.Runner() as runner:
        key = issuer.new_key("one")
        tokens = Tokens(jwt_settings(issuer), IssuerKeys(issuer.url, 1e9))
        yield Doors(runner, Door(let_in, Check(tokens.identify)), key)


def text_of(value: Any) -> bytes:
    return json.dumps(value).encode()


def decided(answer: httpx.Response) -> int:
    assert answer.status_code in DECIDED, answer.text
    if answer.status_code != 200:
        assert_problem(answer, answer.status_code)
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    return answer.status_code


def test_the_door_opens_for_what_is_right(doors: Doors) -> None:
    assert decided(doors.answer(doors.signed(text_of(HEAD), text_of(GOOD)))) == 200


@given(name=st.sampled_from([*GOOD, "nbf", "iat", "jti", "scp"]) | WORDS, value=JSON)
@settings(max_examples=300)
def test_a_claim_may_be_anything(doors: Doors, name: str, value: Any) -> None:
    decided(doors.answer(doors.signed(text_of(HEAD), text_of(GOOD | {name: value}))))


@given(
    name=st.sampled_from([*HEAD, "crit", "b64", "enc", "zip", "cty", "jku", "jwk", "x5c"]) | WORDS,
    value=JSON,
    crit=st.none() | JSON,
)
@settings(max_examples=300)
def test_a_header_may_be_anything(doors: Doors, name: str, value: Any, crit: Any) -> None:
    head = HEAD | {name: value} | ({} if crit is None else {"crit": crit})
    decided(doors.answer(doors.signed(text_of(head), text_of(GOOD))))


@given(head=JSON.map(text_of) | st.binary(), claims=JSON.map(text_of) | st.binary())
def test_a_token_may_hold_anything(doors: Doors, head: bytes, claims: bytes) -> None:
    assert decided(doors.answer(doors.signed(head, claims))) == 401
    decided(doors.answer(doors.signed(text_of(HEAD), claims)))


@given(
    st.lists(st.binary() | st.sampled_from([b"Bearer ", b"bearer a", b"Basic YTpi"]), max_size=3)
)
def test_the_header_may_be_anything(doors: Doors, given_: list[bytes]) -> None:
    assert decided(doors.answer(*given_)) == 401


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=6))
def test_what_looks_like_a_token_may_be_none(doors: Doors, parts: list[bytes]) -> None:
    """Two parts or five, as of other kinds of tokens, with padding and without."""
    for encode in (base64.urlsafe_b64encode, base64.b64encode):
        token = b".".join(encode(part) for part in parts)
        assert decided(doors.answer(b"Bearer " + token)) == 401
        assert decided(doors.answer(b"Bearer " + token.replace(b"=", b""))) == 401


@pytest.mark.parametrize("depth", [100, 5_000])
def test_a_token_may_be_deep(doors: Doors, depth: int) -> None:
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    assert decided(doors.answer(doors.signed(deep, text_of(GOOD)))) == 401
    assert decided(doors.answer(doors.signed(text_of(HEAD), deep))) == 401


def test_the_header_counts_once_and_in_small_letters_too(doors: Doors) -> None:
    right = doors.signed(text_of(HEAD), text_of(GOOD))
    for spelt in (right.replace(b"Bearer ", b"bearer   "), right.replace(b"Bearer", b"BEARER")):
        assert decided(doors.answer(spelt)) == 200
    twice = doors.answer(right, right)
    assert decided(twice) == 401
    assert "once" in twice.json()["error"]


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": str(2**33)},
        {"exp": True},
        {"exp": [2**33]},
        {"nbf": "1"},
        {"iat": False},
        {"scope": {"read": True}},
        {"scope": 5},
        {"scp": ["read", 5]},
        {"sub": 5},
        {"aud": ["bazaar", None]},
    ],
    ids=str,
)
def test_a_claim_of_another_type_is_a_wrong_token(doors: Doors, claims: dict[str, Any]) -> None:
    answer = doors.answer(doors.signed(text_of(HEAD), text_of(GOOD | claims)))
    assert_problem(answer, 401)


def test_what_a_token_says_is_not_repeated(doors: Doors) -> None:
    told = "of somebody's own making"
    for head, claims in (
        (HEAD | {"crit": [told]}, GOOD),
        (HEAD | {"kid": told}, GOOD),
        (HEAD | {"alg": told}, GOOD),
        (HEAD, GOOD | {"sub": told}),
        (HEAD, GOOD | {"iss": told}),
    ):
        assert told not in doors.answer(doors.signed(text_of(head), text_of(claims))).text


# What an issuer publishes is somebody's word as well.


def own_key(**more: Any) -> dict[str, Any]:
    issuer = Issuer()
    issuer.new_key("one")
    [key] = json.loads(issuer.published())["keys"]
    return {name: value for name, value in (key | more).items() if value is not None}


@given(st.lists(JSON | st.fixed_dictionaries({"kty": JSON, "alg": JSON, "crv": JSON, "kid": JSON})))
def test_odd_members_of_a_set_are_passed_over(members: list[Any]) -> None:
    found = usable(text_of({"keys": [*members, own_key(kid="ours")]}))
    assert "ours" in found


@given(st.binary() | JSON.map(text_of) | JSON.map(lambda keys: text_of({"keys": keys})))
def test_what_is_no_set_is_said_to_be_none(published: bytes) -> None:
    with pytest.raises(NoKeys):
        usable(published)


@pytest.mark.parametrize(
    "more",
    [
        {"kty": "nonsense"},
        {"kty": None},
        {"use": "enc"},
        {"alg": ["ES256"]},
        {"alg": "ES999"},
        {"crv": ["P-256"]},
        {"x": 5},
        {"y": "A"},
    ],
    ids=str,
)
def test_a_key_that_cannot_be_used_is_none(more: dict[str, Any]) -> None:
    keys = usable(text_of({"keys": [own_key(kid="other"), own_key(**more)]}))
    assert set(keys) == {"other", ""}


def test_a_key_needs_no_algorithm_and_the_only_one_no_id() -> None:
    [(name, key)] = usable(text_of({"keys": [own_key(alg=None, kid=None)]})).items()
    assert isinstance(key, jwt.PyJWK)
    assert (name, key.algorithm_name) == ("", "ES256")
    assert set(usable(text_of({"keys": [own_key(kid=None), own_key(kid="b")]}))) == {"b"}


async def test_a_token_without_a_key_id_is_of_the_only_key() -> None:
    with issuing() as issuer:
        key = issuer.new_key("one")
        token = jwt.encode(GOOD, key, "ES256")
        tokens = Tokens(jwt_settings(issuer), IssuerKeys(issuer.url, 300))
        assert (await tokens.identify(token)).account == "alice"
        issuer.says = text_of({"keys": [own_key(kid="a"), own_key(kid="b")]})
        tokens = Tokens(jwt_settings(issuer), IssuerKeys(issuer.url, 300))
        with pytest.raises(Unknown):
            await tokens.identify(token)


async def test_an_issuer_that_answers_too_much_too_long_or_elsewhere_is_away() -> None:
    with issuing() as issuer, issuing() as other:
        key = other.new_key("one")
        token = issuer.token(key)

        async def tried() -> None:
            tokens = Tokens(jwt_settings(issuer), IssuerKeys(issuer.url, 300, fetch_s=0.5))
            with pytest.raises(Unavailable):
                await tokens.identify(token)

        issuer.elsewhere = other.url
        await tried()
        assert other.asked == 0
        issuer.elsewhere, issuer.endless = "", True
        await tried()
        issuer.endless, issuer.says = False, b" " * 300_000
        await tried()
        issuer.says = text_of({"keys": [own_key(kid=f"k{number}") for number in range(101)]})
        await tried()
    assert bearer(token)
