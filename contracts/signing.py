"""Messages about the signatures under calls of agents."""

from typing import Literal

from pydantic import Field

from contracts.base import Call, Model


class SigningKey(Model):
    """A public key, as a JSON Web Key (RFC 7517, RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    x: str = Field(max_length=64)
    kid: str = Field(max_length=64)
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"


class ListSigningKeys(Model):
    """Asks for the keys that calls of agents are signed with."""


class SigningKeys(Model):
    """They: the first signs, the others are good for calls of before; none when nothing is."""

    keys: list[SigningKey]


LIST_SIGNING_KEYS = Call("task", "list_signing_keys", ListSigningKeys, SigningKeys)
