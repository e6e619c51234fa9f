"""Whoever has no machine payments pays for none of it: nothing is loaded, and they are refused."""

import subprocess
import sys

import pytest

from contracts.errors import Conflict, PaymentRequired
from contracts.machine import OFFER_MACHINE_PAYMENT, PAY_AGENT, TAKE_MACHINE_PAYMENT
from payment_svc.settings import Settings
from tests.payment.conftest import NewCustomer

LIBRARIES = {"x402", "mpp", "eth_account", "web3"}


def test_the_libraries_are_not_loaded() -> None:
    code = "import payment_svc.app, gateway.app, task_svc.app, sys; print(*sys.modules)"
    found = subprocess.run(  # noqa: S603  (our own interpreter)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not LIBRARIES & set(found.stdout.split())


def test_without_somebody_who_settles_nothing_is_taken() -> None:
    with pytest.raises(ValueError, match="MACHINE_FACILITATOR"):
        Settings.model_validate({"machine_payee": "0x" + "33" * 20})


async def test_what_is_off_is_refused_in_words(customer: NewCustomer) -> None:
    someone = await customer("1")
    offer = OFFER_MACHINE_PAYMENT.request(amount="1", resource="http://market/")
    with pytest.raises(Conflict, match="not taken here"):
        await someone.ask(OFFER_MACHINE_PAYMENT, offer)
    with pytest.raises(Conflict, match="not taken here"):
        await someone.ask(TAKE_MACHINE_PAYMENT, TAKE_MACHINE_PAYMENT.request(signature="e30="))
    asked = PAY_AGENT.request(hold_id="h", work="w", agent_id="a", required="e30=")
    with pytest.raises(PaymentRequired, match="nobody is configured"):
        await someone.ask(PAY_AGENT, asked)
