"""What is asked for and what is signed, between the libraries of those who pay and our reading."""

import asyncio
import base64
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from eth_account import Account
from mpp import Challenge
from mpp.methods.evm import client as evm
from mpp.methods.evm.assets import BASE_SEPOLIA_USDC
from mpp.runtime import CredentialParams
from x402 import x402ClientSync
from x402.http.utils import decode_payment_required_header, encode_payment_signature_header
from x402.mechanisms.evm.exact.register import register_exact_evm_client

from payment_svc.machine.offering import headers_of
from payment_svc.machine.signed import Refused, Shop
from payment_svc.machine.terms import BadTerms, token_of

PAYEE = "0x" + "33" * 20
NETWORK = "eip155:84532"
BUYER = Account.create()
TOKEN = token_of(NETWORK, "", Decimal(1))
SHOP = Shop(TOKEN, PAYEE, "of this test", "market")


def now() -> datetime:
    return datetime.now(UTC)


def by_x402(headers: dict[str, str]) -> str:
    client = x402ClientSync()
    register_exact_evm_client(client, BUYER)
    asked = decode_payment_required_header(headers["PAYMENT-REQUIRED"])
    return encode_payment_signature_header(client.create_payment_payload(asked))


def by_mpp(headers: dict[str, str]) -> str:
    challenge = Challenge.from_www_authenticate(headers["WWW-Authenticate"])
    assert challenge.credential_header == "Payment-Authorization"
    method = evm.charge(currency=BASE_SEPOLIA_USDC, account=BUYER)
    assert method.can_handle_challenge is None or method.can_handle_challenge(challenge)

    async def made() -> str:
        return await method.create_credential(CredentialParams(challenge=challenge))

    return asyncio.run(made())


def test_a_process_that_loaded_the_libraries_still_refuses_what_is_nested_deeply() -> None:
    code = (
        "import sys; before = sys.getrecursionlimit(); from payment_svc.app import build;"
        "from payment_svc.settings import Settings;"
        "build(Settings(machine_payee='0x' + '33' * 20, machine_facilitator='http://127.0.0.1:9'));"
        "assert 'x402' in sys.modules; assert sys.getrecursionlimit() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603  (our own interpreter)


def test_what_the_library_of_x402_signs_is_read() -> None:
    header = by_x402(headers_of(SHOP, 250_000, "http://market/x", now()))
    found = SHOP.from_x402(header, now())
    assert (found.units, found.payer) == (250_000, BUYER.address.lower())
    assert found.payload.accepted == TOKEN.requirements(250_000, PAYEE)


def test_what_the_library_of_mpp_signs_is_read_and_is_of_its_challenge() -> None:
    headers = headers_of(SHOP, 250_000, "http://market/x", now())
    header = by_mpp(headers)
    found = SHOP.from_mpp(header, now())
    assert (found.units, found.payer) == (250_000, BUYER.address.lower())
    with pytest.raises(Refused, match="expired"):
        SHOP.from_mpp(header, now() + timedelta(minutes=6))
    with pytest.raises(Refused, match="none of ours"):
        Shop(TOKEN, PAYEE, "another", "market").from_mpp(header, now())
    with pytest.raises(Refused, match="not taken"):
        Shop(TOKEN, PAYEE, None, "market").from_mpp(header, now())


def test_without_a_secret_there_is_no_challenge() -> None:
    shop = Shop(TOKEN, PAYEE, None, "market")
    assert set(headers_of(shop, 1, "http://market/x", now())) == {"PAYMENT-REQUIRED"}


@pytest.mark.parametrize("shop", [Shop(TOKEN, "0x" + "44" * 20, None, "m")])
def test_what_is_to_somebody_else_is_refused(shop: Shop) -> None:
    header = by_x402(headers_of(SHOP, 250_000, "http://market/x", now()))
    with pytest.raises(Refused, match="somebody else"):
        shop.from_x402(header, now())


def test_a_token_that_the_library_does_not_know_cannot_be_configured() -> None:
    with pytest.raises(BadTerms):
        token_of(NETWORK, "0x" + "55" * 20, Decimal(1))
    with pytest.raises(BadTerms):
        token_of("eip155:424242424242", "", Decimal(1))


@pytest.mark.parametrize(
    "said", ["", "Payment", "Payment !", "Payment e30", "Payment bnVsbA", "Payment WzFd", "é", "="]
)
def test_what_is_no_credential_is_refused_in_words(said: str) -> None:
    with pytest.raises(Refused, match="none of the scheme"):
        SHOP.from_mpp(said, now())


@pytest.mark.parametrize("payload", [None, 1, "NaN", [[]], [1]])
def test_a_credential_whose_payload_is_none_is_refused_in_words(payload: object) -> None:
    header = by_mpp(headers_of(SHOP, 250_000, "http://market/x", now()))
    said = json.loads(base64.urlsafe_b64decode(header.removeprefix("Payment ") + "==="))
    forged = base64.urlsafe_b64encode(json.dumps(said | {"payload": payload}).encode()).decode()
    with pytest.raises(Refused, match="none of the scheme"):
        SHOP.from_mpp(f"Payment {forged}", now())


def test_an_amount_of_any_length_is_refused_in_words() -> None:
    said = json.loads(base64.b64decode(by_x402(headers_of(SHOP, 1, "http://market/x", now()))))
    said["accepted"]["amount"] = said["payload"]["authorization"]["value"] = "9" * 39
    with pytest.raises(Refused, match="too large"):
        SHOP.from_x402(base64.b64encode(json.dumps(said).encode()).decode(), now())
