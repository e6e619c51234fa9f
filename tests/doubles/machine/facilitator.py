"""A strict facilitator with a network of its own: one token, balances, and nonces used once.

A signature is checked with the x402 library, a nonce is taken once, a payer without money pays
nothing. `script` has it misbehave, call by call of /settle. /node answers for the network: it may
be away, or that of another network.
"""

import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from eth_utils.crypto import keccak
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from x402.mechanisms.evm.constants import (
    ERR_INSUFFICIENT_BALANCE,
    ERR_INVALID_SIGNATURE,
    ERR_NONCE_ALREADY_USED,
    ERR_RECIPIENT_MISMATCH,
    ERR_VALID_BEFORE_EXPIRED,
)
from x402.mechanisms.evm.eip712 import hash_eip3009_authorization
from x402.mechanisms.evm.types import ExactEIP3009Payload
from x402.mechanisms.evm.utils import get_asset_info, get_evm_chain_id
from x402.mechanisms.evm.verify import verify_eoa_signature
from x402.schemas import SettleRequest, VerifyRequest

NETWORK = "eip155:84532"
ASSET = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
TRANSFER = "0x" + keccak(text="Transfer(address,address,uint256)").hex()
Behaviour = Callable[["Facilitator", SettleRequest], Awaitable[Response]]


class Facilitator:
    """The double, and its network."""

    def __init__(self) -> None:
        self.balances: dict[str, int] = {}
        self.used: dict[tuple[str, str], str] = {}
        self.transfers: dict[str, tuple[str, str, int]] = {}
        self.script: deque[Behaviour] = deque()
        self.asked: list[str] = []
        self.node: Literal["well", "away", "elsewhere"] = "well"

    def fund(self, address: str, units: int) -> None:
        """Give an address money."""
        self.balances[address.lower()] = self.balances.get(address.lower(), 0) + units

    def has(self, address: str) -> int:
        """What an address has."""
        return self.balances.get(address.lower(), 0)

    def why_not(self, request: VerifyRequest | SettleRequest) -> str | None:
        """Why a payment is not good."""
        payload, wanted = request.payment_payload, request.payment_requirements
        if payload.accepted != wanted or wanted.network != NETWORK or wanted.asset != ASSET:
            return "invalid_payment_requirements"
        found = ExactEIP3009Payload.from_dict(payload.payload)
        said, info = found.authorization, get_asset_info(NETWORK, ASSET)
        digest = hash_eip3009_authorization(
            said, get_evm_chain_id(NETWORK), ASSET, info["name"], info["version"]
        )
        signature = bytes.fromhex((found.signature or "")[2:])
        payer, now = said.from_address.lower(), time.time()
        moment = int(said.valid_after) <= now < int(said.valid_before)
        wrong = {
            ERR_INVALID_SIGNATURE: not verify_eoa_signature(digest, signature, said.from_address),
            ERR_RECIPIENT_MISMATCH: (said.to.lower(), said.value)
            != (wanted.pay_to.lower(), wanted.amount),
            ERR_VALID_BEFORE_EXPIRED: not moment,
            ERR_NONCE_ALREADY_USED: (payer, said.nonce.lower()) in self.used,
            ERR_INSUFFICIENT_BALANCE: self.has(payer) < int(said.value),
        }
        return next((why for why, so in wrong.items() if so), None)

    def move(self, request: SettleRequest) -> dict[str, Any]:
        """Settle a payment as it should be; the answer."""
        said = ExactEIP3009Payload.from_dict(request.payment_payload.payload).authorization
        why = self.why_not(request)
        told: dict[str, Any] = {"network": NETWORK, "payer": said.from_address}
        if why is not None:
            return {**told, "success": False, "errorReason": why, "transaction": ""}
        payer, to, units = said.from_address.lower(), said.to.lower(), int(said.value)
        transaction = "0x" + keccak(text=payer + said.nonce.lower()).hex()
        self.used[payer, said.nonce.lower()] = transaction
        self.transfers[transaction] = (payer, to, units)
        self.fund(payer, -units)
        self.fund(to, units)
        return {**told, "success": True, "transaction": transaction, "amount": said.value}

    def app(self) -> Starlette:
        """It, over HTTP."""
        return Starlette(
            routes=[
                Route("/supported", self._supported),
                Route("/verify", self._verify, methods=["POST"]),
                Route("/settle", self._settle, methods=["POST"]),
                Route("/node", self._node, methods=["POST"]),
            ]
        )

    async def _supported(self, _request: Request) -> Response:
        kind = {"x402Version": 2, "scheme": "exact", "network": NETWORK}
        return JSONResponse({"kinds": [kind], "extensions": [], "signers": {}})

    async def _verify(self, request: Request) -> Response:
        self.asked.append("verify")
        why = self.why_not(VerifyRequest.model_validate(await request.json()))
        return JSONResponse({"isValid": why is None, "invalidReason": why})

    async def _settle(self, request: Request) -> Response:
        self.asked.append("settle")
        asked = SettleRequest.model_validate(await request.json())
        if self.script:
            return await self.script.popleft()(self, asked)
        return JSONResponse(self.move(asked))

    async def _node(self, request: Request) -> Response:
        said = await request.json()
        if self.node == "away":
            return JSONResponse({}, 503)
        # Where a contract is not, a call of it comes to nothing.
        here = self.node == "well"
        result = getattr(self, "_" + said["method"])(*said["params"]) if here else "0x"
        return JSONResponse({"jsonrpc": "2.0", "id": said["id"], "result": result})

    def _eth_blockNumber(self) -> str:  # noqa: N802  (the method's own name)
        return hex(len(self.transfers) + 1)

    def _eth_call(self, call: dict[str, str], _block: str) -> str:
        data = call["data"][10:]
        used = ("0x" + data[24:64], "0x" + data[64:]) in self.used
        return "0x" + f"{int(used):064x}"

    def _eth_getLogs(self, asked: dict[str, Any]) -> list[dict[str, str]]:  # noqa: N802
        _, payer, nonce = asked["topics"]
        transaction = self.used.get(("0x" + payer[-40:], nonce))
        return [{"transactionHash": transaction}] if transaction else []

    def _eth_getTransactionReceipt(self, transaction: str) -> dict[str, Any] | None:  # noqa: N802
        if transaction not in self.transfers:
            return None
        payer, to, units = self.transfers[transaction]
        words = [f"0x{address[2:]:0>64}" for address in (payer, to)]
        topics = [TRANSFER, *words]
        log = {"address": ASSET, "topics": topics, "data": f"0x{units:064x}"}
        return {"status": "0x1", "logs": [log]}


async def settles_and_breaks(facilitator: Facilitator, asked: SettleRequest) -> Response:
    """Settle it, and answer 500."""
    facilitator.move(asked)
    return JSONResponse({"error": "broken"}, 500)


async def settles_and_denies(facilitator: Facilitator, asked: SettleRequest) -> Response:
    """Settle it, and say that it failed: whoever waits for a transaction may wait too short."""
    facilitator.move(asked)
    return await refuses(facilitator, asked)


async def breaks(_facilitator: Facilitator, _asked: SettleRequest) -> Response:
    """Answer 500, having done nothing."""
    return JSONResponse({"error": "broken"}, 500)


async def refuses(_facilitator: Facilitator, _asked: SettleRequest) -> Response:
    """Refuse what was good a moment ago."""
    no = {"success": False, "errorReason": "transaction_failed", "transaction": ""}
    return JSONResponse({**no, "network": NETWORK})


async def repeats(facilitator: Facilitator, asked: SettleRequest) -> Response:
    """Say that it settled by the transaction of the payment before; it settled nothing."""
    return await lies(transaction=next(reversed(facilitator.transfers)))(facilitator, asked)


def lies(**told: Any) -> Behaviour:
    """Say that it settled, and something of it that is not so; it settled nothing."""

    async def answer(_facilitator: Facilitator, asked: SettleRequest) -> Response:
        said = {
            "success": True,
            "transaction": "0x" + "ab" * 32,
            "network": NETWORK,
            "amount": asked.payment_requirements.amount,
        }
        return Response(json.dumps(said | told), media_type="application/json")

    return answer
