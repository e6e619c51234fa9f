"""Signatures under calls of agents: who called, whom, and with what body.

A signature is a JSON Web Token (RFC 7519) by Ed25519, in a header. An agent checks it with any
library for such tokens and the keys that the gateway publishes.
"""

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from chassis.outbound import parse
from contracts.signing import SigningKey

HEADER = "Bazaar-Signature"
KIND = "agentbazaar-call+jwt"
ISSUER = "agentbazaar"
GOOD_FOR_S = 300
SECRET_CHARS = 32


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _json(members: Mapping[str, Any]) -> str:
    return _text(json.dumps(members, separators=(",", ":")).encode())


def private_key(secret: str) -> Ed25519PrivateKey:
    """The key that a secret from the environment stands for.

    Raises:
        ValueError: it is too short to be one.
    """
    if len(secret) < SECRET_CHARS:
        raise ValueError(f"a signing key has {SECRET_CHARS} random characters or more")
    seed = hashlib.sha256(b"agentbazaar call signing\0" + secret.encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_key(key: Ed25519PrivateKey) -> SigningKey:
    """What is published of a key; its id is its thumbprint (RFC 7638)."""
    x = _text(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()
    return SigningKey(x=x, kid=_text(hashlib.sha256(canonical).digest()))


class Signer:
    """Signs with the first of its keys; without any it signs nothing."""

    def __init__(self, keys: str) -> None:
        """Take the keys that the secrets of a comma-separated text stand for.

        Raises:
            ValueError: one of them is no key.
        """
        self._keys = [private_key(one.strip()) for one in keys.split(",") if one.strip()]
        self.published = [public_key(key) for key in self._keys]

    @classmethod
    def of(cls, secret: SecretStr | None) -> "Signer":
        """The signer of a setting. Raises like the constructor."""
        return cls("" if secret is None else secret.get_secret_value())

    def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """The header for one request.

        Args:
            method: of the request.
            url: of the request, without its query.
            body: as it is sent.
        """
        if not self._keys:
            return {}
        now = int(time.time())
        origin, path = _parts(url)
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": origin,
            "iat": now,
            "exp": now + GOOD_FOR_S,
            "htm": method,
            "htu": origin + path,
            "bh": _text(hashlib.sha256(body).digest()),
        }
        about = {"alg": "EdDSA", "kid": self.published[0].kid, "typ": KIND}
        signed = f"{_json(about)}.{_json(claims)}"
        return {HEADER: f"{signed}.{_text(self._keys[0].sign(signed.encode()))}"}


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL; the port only where it is not the usual one.

    Raises:
        AddressRefused: it is no URL of http or https.
    """
    return _parts(url)[0]


@lru_cache(maxsize=1_024)
def _parts(url: str) -> tuple[str, str]:
    """Origin and path of a URL; the port is left out where it is the usual one."""
    place = parse(url)
    usual = place.port == {"https": 443, "http": 80}[place.scheme]
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{place.scheme}://{host}{'' if usual else f':{place.port}'}", place.path or "/"
