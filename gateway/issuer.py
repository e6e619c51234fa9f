"""The public keys of an issuer of tokens: fetched, looked through, kept for a while."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from contracts.errors import Unavailable
from gateway.identity import Unknown

log = structlog.get_logger()

FETCH_S = 5.0
"""For the whole answer, from the name's look-up to its last byte."""
SET_BYTES = 256 * 1024
SET_KEYS = 100
AGAIN_S = 2.0
"""After an attempt to get the keys, no other is made for so long, whoever asks for which key."""
STALE_S = 3600.0
"""While the issuer is away, keys are used for so long after they were last seen there."""
AWAY = "The keys that tokens are signed with cannot be fetched now."


Key = jwt.PyJWK | RSAPublicKey
"""A key for one algorithm; one of RSA that names none is for all of RSA's, as the token says."""


class NoKeys(Exception):
    """What the issuer answers is no set of keys."""


class IssuerKeys:
    """The issuer's public keys by their ids: fetched when needed, never twice at once.

    A key id that is not known makes them be fetched again: that is how a rotation is noticed. A
    set of one key is also for tokens that name none, and if it has no id, for all tokens.
    """

    def __init__(
        self,
        url: str,
        cache_s: float,
        now: Callable[[], float] = time.monotonic,
        fetch_s: float = FETCH_S,
    ) -> None:
        """Fetch from `url` within `fetch_s`, and again after `cache_s`."""
        self._url = url
        self._cache_s = cache_s
        self._now = now
        self._fetch_s = fetch_s
        # No redirects: whoever can send us elsewhere could name keys of their own.
        self._http = httpx.AsyncClient(
            follow_redirects=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
            timeout=fetch_s,
        )
        self._keys: dict[str, Key] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, id_: str) -> Key:
        """The key with this id.

        Raises:
            Unknown: the issuer has none.
            Unavailable: the issuer cannot be asked.
        """
        if self._age() > self._cache_s or self._known(id_) is None:
            async with self._fetching:
                if self._now() - self._tried_at > AGAIN_S:
                    await self._fetch()
        found = self._known(id_)
        if self._age() > max(STALE_S, self._cache_s):
            raise Unavailable(AWAY)
        if found is None:
            if self._tried_at > self._fetched_at:  # The last attempt failed: it may be a new one.
                raise Unavailable(AWAY)
            raise Unknown("The token is signed with a key that its issuer does not have.")
        return found

    async def close(self) -> None:
        """Fetch no more."""
        await self._http.aclose()

    def _known(self, id_: str) -> Key | None:
        return self._keys.get("" if set(self._keys) == {""} else id_)

    def _age(self) -> float:
        return self._now() - self._fetched_at

    async def _fetch(self) -> None:
        self._tried_at = self._now()
        try:
            async with asyncio.timeout(self._fetch_s):
                keys = usable(await self._published())
        except (httpx.HTTPError, TimeoutError, OSError, NoKeys) as error:
            # Its type alone: the address may hold a credential, and the text the address.
            why = str(error) if isinstance(error, NoKeys) else type(error).__name__
            log.warning("cannot fetch the issuer's keys", error=why)
            return
        self._keys = keys
        self._fetched_at = self._tried_at

    async def _published(self) -> bytes:
        body = bytearray()
        async with self._http.stream("GET", self._url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise NoKeys(f"it answers {answer.status_code}")
            async for part in answer.aiter_raw():
                body += part
                if len(body) > SET_BYTES:
                    raise NoKeys(f"it answers more than {SET_BYTES} bytes")
        return bytes(body)


def usable(published: bytes) -> dict[str, Key]:
    """The keys for signatures of a JWK set, by their ids; members of other kinds are passed over.

    Raises:
        NoKeys: it is no JWK set, or holds none that we could use.
    """
    try:
        document = json.loads(published)
    except (ValueError, RecursionError):
        raise NoKeys("it does not answer JSON") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or len(members) > SET_KEYS:
        raise NoKeys(f"it does not answer a set of up to {SET_KEYS} keys")
    found = [
        (id_ if isinstance(id_ := member.get("kid"), str) else "", key)
        for member in members
        if isinstance(member, dict) and (key := _key(member)) is not None
    ]
    keys = {id_: key for id_, key in found if id_}
    if len(found) == 1:
        keys[""] = found[0][1]
    if not keys:
        raise NoKeys("none of its keys can be used")
    return keys


def _key(member: dict[str, Any]) -> Key | None:
    if member.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(member)
    except Exception:  # noqa: BLE001  (whatever a member of an odd kind makes the library do)
        return None
    if not member.get("alg") and isinstance(key.key, RSAPublicKey):
        return key.key  # The library would take it to be for RS256 alone.
    return key
