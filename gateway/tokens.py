"""JSON Web Tokens of somebody else's issuer, checked with the keys that it publishes.

What a token says is somebody's word until its signature is checked, and of any type after that: a
header or claim that is not as it has to be is a wrong token, whatever the library makes of it.
"""

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import jwt
import structlog

from contracts.errors import Unavailable
from gateway.identity import SCOPES, Expired, Identity, Over, Scope, Unknown, account_named
from gateway.issuer import IssuerKeys, Key
from gateway.settings import Settings

log = structlog.get_logger()

TIMES = ("exp", "nbf", "iat")
FAR_OFF = 2**40
"""A moment, in seconds since 1970, that no clock of ours will see."""
SLEEP_S = 60.0
_WHY: dict[type[jwt.PyJWTError], str] = {
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.InvalidIssuerError: "it is of another issuer",
    jwt.InvalidAudienceError: "it is for somebody else",
    jwt.MissingRequiredClaimError: "it needs the claims exp, iss and aud",
}
"""Sentences of ours: the library's repeat what the token says."""


def _wrong(why: str) -> Unknown:
    return Unknown(f"The token is not valid: {why}.")


class Tokens:
    """Tells whose a token is."""

    def __init__(self, settings: Settings, keys: IssuerKeys) -> None:
        """Trust tokens as the settings say."""
        self._settings = settings
        self._keys = keys

    async def identify(self, token: str) -> Identity:
        """Whose token this is.

        Raises:
            Unknown: it is not valid, or names no account.
            Unavailable: the issuer's keys cannot be had now.
        """
        try:
            key = await self._keys.key(self._key_id(token))
            claims = self._claims(token, key)
            return self._identity(claims)
        except (Unknown, Unavailable):
            raise
        except jwt.ExpiredSignatureError:
            raise Expired("The token is not valid: it has expired.") from None
        except jwt.PyJWTError as error:
            raise _wrong(_WHY.get(type(error), "it is not as tokens are")) from None
        except Exception as error:  # noqa: BLE001  (whatever a stranger's token makes a parser do)
            log.warning("a token that the library stumbles over", error=type(error).__name__)
            raise _wrong("it is not as tokens are") from None

    def _key_id(self, token: str) -> str:
        """The id of the key that a token says it is signed with; empty when it names none."""
        head = jwt.get_unverified_header(token)
        if head.get("alg") not in self._settings.jwt_algorithms:
            raise Unknown("The token is signed with an algorithm that is not accepted.")
        if not isinstance(head.get("typ", ""), str):
            raise _wrong("its header typ is no text")
        id_ = head.get("kid", "")
        if not isinstance(id_, str):
            raise _wrong("its header kid is no text")
        return id_

    def _claims(self, token: str, key: Key) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(self._settings.jwt_algorithms),
            issuer=self._settings.jwt_issuer,
            audience=self._settings.jwt_audience,
            leeway=self._settings.jwt_leeway_s,
            options={"require": ["exp", "iss", "aud"]},
        )
        for name in TIMES:
            value = claims.get(name, 0)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise _wrong(f"its claim {name} is no number")
        return claims

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        claim = self._settings.jwt_account_claim
        name = claims.get(claim)
        try:
            account = account_named(name if isinstance(name, str) else "")
        except ValueError:
            raise Unknown(f"The token names no account in its claim {claim}.") from None
        end = min(claims["exp"], FAR_OFF) + self._settings.jwt_leeway_s
        return Identity(account, _scopes(claims), over=partial(_expiry, end))


async def _expiry(end: float, _wanted: Scope) -> Over:
    """Wait until a moment, in seconds since 1970, is over; until then a token has its scopes."""
    while (left := end - time.time()) > 0:  # noqa: ASYNC110  (nothing tells us but the clock)
        await asyncio.sleep(min(left, SLEEP_S))
    return "expired"


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """`scope` as RFC 8693 has it, words in one text, or `scp` as others do, a list of them."""
    found = [_words(name, claims.get(name)) for name in ("scope", "scp")]
    return SCOPES & (found[0] or found[1])


def _words(name: str, given: Any) -> frozenset[str]:
    words = given.split() if isinstance(given, str) else given or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise _wrong(f"its claim {name} is neither a text nor a list of words")
    return frozenset(words)
