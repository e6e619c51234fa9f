"""JSON Web Tokens of somebody else's issuer, checked with the keys that it publishes."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import structlog
from pydantic import TypeAdapter, ValidationError

from contracts.base import Id
from contracts.errors import Unavailable
from gateway.identity import SCOPES, Identity, Unknown
from gateway.settings import Settings

log = structlog.get_logger()

FETCH_S = 5.0
AGAIN_S = 2.0
"""After an attempt to get the keys, no other is made for so long, whoever asks for which key."""
STALE_S = 3600.0
"""While the issuer is away, keys are used for so long after they were last seen there."""
_ACCOUNT = TypeAdapter(Id)


class IssuerKeys:
    """The issuer's public keys by their ids: fetched when needed, in a thread, never twice at once.

    A key id that is not known makes them be fetched again: that is how a rotation is noticed.
    """

    def __init__(self, url: str, cache_s: float, now: Callable[[], float] = time.monotonic) -> None:
        """Fetch from `url`, and again after `cache_s`."""
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_S)
        self._cache_s = cache_s
        self._now = now
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, id_: str) -> jwt.PyJWK:
        """The key with this id.

        Raises:
            Unknown: the issuer has none.
            Unavailable: the issuer cannot be asked.
        """
        if self._age() > self._cache_s or id_ not in self._keys:
            async with self._fetching:
                if self._now() - self._tried_at > AGAIN_S:
                    await self._fetch()
        found = self._keys.get(id_)
        if self._age() > max(STALE_S, self._cache_s):
            raise Unavailable("The keys that tokens are signed with cannot be fetched now.")
        if found is None:
            if self._tried_at > self._fetched_at:  # The last attempt failed: it may be a new one.
                raise Unavailable("The keys that tokens are signed with cannot be fetched now.")
            raise Unknown("The token is signed with a key that its issuer does not have.")
        return found

    def _age(self) -> float:
        return self._now() - self._fetched_at

    async def _fetch(self) -> None:
        self._tried_at = self._now()
        try:
            found = await asyncio.to_thread(self._client.fetch_data)
            keys = jwt.PyJWKSet.from_dict(found).keys
        except (jwt.PyJWTError, OSError, ValueError) as error:
            log.warning("cannot fetch the issuer's keys", error=str(error)[:300])
            return
        self._keys = {key.key_id: key for key in keys if key.key_id}
        self._fetched_at = self._tried_at


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
            head = jwt.get_unverified_header(token)
            if head.get("alg") not in self._settings.jwt_algorithms:
                raise Unknown("The token is signed with an algorithm that is not accepted.")
            key = await self._keys.key(str(head.get("kid", "")))
            claims = self._claims(token, key)
        except jwt.PyJWTError as error:
            raise Unknown(f"The token is not valid: {error}.") from None
        try:
            account = _ACCOUNT.validate_python(claims.get(self._settings.jwt_account_claim))
        except ValidationError:
            claim = self._settings.jwt_account_claim
            raise Unknown(f"The token names no account in its claim {claim}.") from None
        return Identity(account, _scopes(claims))

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(self._settings.jwt_algorithms),
            issuer=self._settings.jwt_issuer,
            audience=self._settings.jwt_audience,
            leeway=self._settings.jwt_leeway_s,
            options={"require": ["exp", "iss", "aud"]},
        )
        return claims


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """`scope` as RFC 8693 has it, words in one text, or `scp` as others do, a list of them."""
    given = claims.get("scope") or claims.get("scp") or []
    words = given.split() if isinstance(given, str) else given
    return SCOPES & {word for word in words if isinstance(word, str)}
