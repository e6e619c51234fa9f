"""The network itself, asked by JSON-RPC what became of a nonce when nobody else says it."""

import json
from typing import Any

from eth_utils.crypto import keccak
from x402.mechanisms.evm.exact.eip3009_utils import verify_eip3009_transfer_event

from chassis.outbound import CallError, Limits, Outbound, Request

USED = "0x" + keccak(text="AuthorizationUsed(address,bytes32)").hex()
STATE = "0x" + keccak(text="authorizationState(address,bytes32)")[:4].hex()
LIMITS = Limits(5.0, 1_048_576)
LOOKED_AT = 20_000
"""Blocks that are looked through for a nonce, from the newest back: hours, and nobody waits longer
for a payment than one."""


class Silent(Exception):
    """The network's node does not say."""


class Chain:
    """A node of the network."""

    def __init__(self, http: Outbound, url: str) -> None:
        """Ask the node at `url` through `http`."""
        self._http = http
        self._url = url

    async def is_used(self, asset: str, payer: str, nonce: str) -> bool:
        """Whether a payer's nonce was used, for whatever.

        Raises:
            Silent: it does not say.
        """
        call = {"to": asset, "data": STATE + _word(payer) + nonce[2:]}
        return _number(await self._ask("eth_call", [call, "latest"])) != 0

    async def paid_by(
        self, asset: str, payer: str, nonce: str, payee: str, units: int
    ) -> str | None:
        """The transaction in which a used nonce paid so many units to `payee`; None: it did not.

        Raises:
            Silent: it does not say.
        """
        newest = _number(await self._ask("eth_blockNumber", []))
        asked = {
            "address": asset,
            "topics": [USED, "0x" + _word(payer), nonce],
            "fromBlock": hex(max(0, newest - LOOKED_AT)),
            "toBlock": "latest",
        }
        logs = await self._ask("eth_getLogs", [asked])
        if not isinstance(logs, list) or not logs or not isinstance(logs[0], dict):
            raise Silent
        transaction = str(logs[0].get("transactionHash", "")).lower()
        receipt = await self._ask("eth_getTransactionReceipt", [transaction])
        if not isinstance(receipt, dict):
            raise Silent
        paid = verify_eip3009_transfer_event(
            receipt.get("logs"), asset, from_address=payer, to=payee, value=units
        )
        return transaction if paid and receipt.get("status") == "0x1" else None

    async def _ask(self, method: str, params: list[Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        about = {"Content-Type": "application/json"}
        try:
            answer = await self._http.send(Request("POST", self._url, about, body), LIMITS)
            said = json.loads(answer.body)
            if "error" in said:
                raise Silent
            return said["result"]
        except (CallError, ValueError, KeyError, TypeError, RecursionError):
            raise Silent from None


def _number(said: object) -> int:
    """A number; of a contract that is not there, a node says "0x"."""
    try:
        return int(str(said), 16)
    except ValueError:
        raise Silent from None


def _word(address: str) -> str:
    return address[2:].lower().rjust(64, "0")
