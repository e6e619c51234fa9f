"""Payments as machines sign them, read out of headers.

What can be refused before anybody is asked is: the form, the payee, the token, the time and the
signature. Whether the money is there, and whether the nonce was used, only the network knows.
"""

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mpp import (  # type: ignore[attr-defined]  # mpp raises ParseError, and does not re-export it
    Challenge,
    Credential,
    ParseError,
)
from mpp.methods.evm import challenge_hash
from x402.http.utils import decode_payment_signature_header
from x402.mechanisms.evm.eip712 import hash_eip3009_authorization
from x402.mechanisms.evm.types import ExactEIP3009Payload
from x402.mechanisms.evm.verify import verify_eoa_signature
from x402.schemas import X402_VERSION, PaymentPayload

from payment_svc.machine.amounts import creditable
from payment_svc.machine.terms import SCHEME, Token

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
WORD = re.compile(r"0x[0-9a-fA-F]{64}")
SIGNATURE = re.compile(r"0x(?:[0-9a-fA-F]{2}){65,4096}")
UNITS = re.compile(r"[0-9]{1,39}")
OF_A_KEY = 65
"""Bytes of a signature by a key; a longer one is a contract's, which the facilitator asks."""
LEFT_S, MOST_S = 6, 3_600
"""Seconds that a payment has to be good for yet, and may be: until then it is looked after."""
MPP_METHOD, MPP_INTENT = "evm", "charge"


class Refused(ValueError):
    """A payment that is not taken; the message is for people."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A payment that may be good.

    Attributes:
        protocol: how it came.
        payer: whose money it is, in small letters, as the nonce.
        units: of the token.
        valid_before: until when it can be settled.
        payload: as a facilitator gets it.
    """

    protocol: str
    payer: str
    nonce: str
    units: int
    valid_before: datetime
    payload: PaymentPayload


@dataclass(frozen=True, slots=True)
class Shop:
    """What payments are taken: of which token, to whom, and by which challenges.

    Attributes:
        secret: what challenges of MPP are made with; without it none are.
        realm: what they are for.
    """

    token: Token
    payee: str
    secret: str | None
    realm: str

    def from_x402(self, header: str, now: datetime) -> Signed:
        """The payment in a `PAYMENT-SIGNATURE`.

        Raises:
            Refused: it is none, or is not to be taken.
        """
        try:
            payload = decode_payment_signature_header(header)
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise Refused("PAYMENT-SIGNATURE is no payment of x402.") from None
        if not isinstance(payload, PaymentPayload) or payload.x402_version != X402_VERSION:
            raise Refused("Payments of x402 are taken in version 2 alone.")
        accepted, token = payload.accepted, self.token
        theirs = (accepted.scheme, accepted.network, accepted.asset.lower())
        if theirs != (SCHEME, token.network, token.asset.lower()):
            raise Refused(f"Only {token.name} of {token.network} is taken, by the scheme exact.")
        if accepted.pay_to.lower() != self.payee.lower():
            raise Refused("The payment is to somebody else.")
        return self._checked("x402", payload.payload, accepted.amount, now)

    def from_mpp(self, header: str, now: datetime) -> Signed:
        """The payment in a credential of the scheme Payment.

        Raises:
            Refused: it is none, or is not to be taken.
        """
        if self.secret is None:
            raise Refused("Credentials of the scheme Payment are not taken here.")
        try:
            credential = Credential.from_authorization(header)
            echo = credential.challenge
            asked = _read(echo.request)
            challenge = Challenge(
                id=echo.id,
                method=echo.method,
                intent=echo.intent,
                request=asked,
                realm=echo.realm,
                digest=echo.digest,
                expires=echo.expires,
                opaque=_read(echo.opaque) if echo.opaque else None,
                header=echo.header,
            )
            ours = challenge.verify(self.secret, self.realm)
            until = datetime.fromisoformat(echo.expires or "")
            payload = dict(credential.payload)
        except (ParseError, ValueError, TypeError, AttributeError, RecursionError):
            raise Refused("The credential is none of the scheme Payment.") from None
        if not ours or (echo.method, echo.intent) != (MPP_METHOD, MPP_INTENT):
            raise Refused("The challenge is none of ours.")
        if until <= now:
            raise Refused("The challenge has expired.")
        if payload.get("type") != "authorization":
            raise Refused("A payment is an authorization.")
        if payload.get("nonce") != challenge_hash(echo.id, echo.realm):
            raise Refused("The payment is for another challenge.")
        signature = payload.pop("signature", None)
        inner = {"authorization": payload, "signature": signature}
        return self._checked("mpp", inner, str(asked.get("amount")), now)

    def _checked(self, protocol: str, inner: dict[str, Any], amount: str, now: datetime) -> Signed:
        found = _authorization(inner)
        said = found.authorization
        if said.to.lower() != self.payee.lower():
            raise Refused("The payment is to somebody else.")
        if said.value != amount:
            raise Refused("The payment is of another amount than it says.")
        units = int(said.value)
        if not creditable(self.token.worth(units)):
            raise Refused("The amount is less than 0.000001 BazaarBucks, or too large.")
        at = int(now.timestamp())
        if int(said.valid_after) > at:
            raise Refused("The payment is not good yet.")
        if not LEFT_S <= int(said.valid_before) - at <= MOST_S:
            raise Refused("The payment has expired, or is good for more than an hour.")
        if not self._is_signed(found):
            raise Refused("The signature is not the payer's.")
        clean = found.to_dict()
        accepted = self.token.requirements(units, self.payee)
        return Signed(
            protocol,
            said.from_address.lower(),
            said.nonce.lower(),
            units,
            datetime.fromtimestamp(int(said.valid_before), UTC),
            PaymentPayload(payload=clean, accepted=accepted),
        )

    def _is_signed(self, found: ExactEIP3009Payload) -> bool:
        signature = bytes.fromhex((found.signature or "")[2:])
        if len(signature) > OF_A_KEY:
            return True
        token = self.token
        digest = hash_eip3009_authorization(
            found.authorization, token.chain_id, token.asset, token.name, token.version
        )
        try:
            return verify_eoa_signature(digest, signature, found.authorization.from_address)
        except ValueError:
            return False


def _authorization(inner: dict[str, Any]) -> ExactEIP3009Payload:
    """The authorization of a payment, of which each member has the form that it has to have."""
    said = inner.get("authorization")
    if not isinstance(said, dict):
        raise Refused("A payment is an authorization by EIP-3009.")
    forms = {
        "from": ADDRESS,
        "to": ADDRESS,
        "value": UNITS,
        "validAfter": UNITS,
        "validBefore": UNITS,
        "nonce": WORD,
    }
    members = {**said, "signature": inner.get("signature")}
    for name, form in {**forms, "signature": SIGNATURE}.items():
        value = members.get(name)
        if not isinstance(value, str) or not form.fullmatch(value):
            raise Refused(f"{name}: the payment is not well-formed.")
    clean = {name: said[name] for name in forms}
    return ExactEIP3009Payload.from_dict(
        {"authorization": clean, "signature": members["signature"]}
    )


def _read(text: str) -> dict[str, Any]:
    found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    if not isinstance(found, dict):
        raise TypeError("no object")
    return found
