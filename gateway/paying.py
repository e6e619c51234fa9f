"""Payments by machines: what a 402 says of how it is paid, and what is sent with the next try.

Nothing of it is read here: headers go to the payment service and come from it as they stand.
"""

from decimal import Decimal

from fastapi import Request

from contracts.errors import NotFound, PaymentRequired, Refusal
from contracts.ledger import GET_WALLET, GetWallet
from contracts.machine import (
    OFFER_MACHINE_PAYMENT,
    TAKE_MACHINE_PAYMENT,
    OfferMachinePayment,
    TakeMachinePayment,
)
from contracts.turns import GET_TURN, GetTurn
from gateway.asking import ask, gateway_of, is_session, keyed_effect, made

X402, MPP = "PAYMENT-SIGNATURE", "Payment-Authorization"
MOST_URL = 2_000


async def paid_first(request: Request) -> None:
    """What every route depends on: a payment that comes with a request is taken before it.

    Raises:
        PaymentRequired: it is not taken; nothing was credited, and nothing is begun.
        Busy, Unavailable: it is not known yet whether it was settled.
    """
    if not gateway_of(request).settings.machine_payments or request.method != "POST":
        return
    x402, mpp = request.headers.get(X402), request.headers.get(MPP)
    if x402 is None and mpp is None:
        return
    order = made(
        TakeMachinePayment,
        signature=x402,
        credential=None if x402 is not None else mpp,
        resource=_resource(request),
    )
    paid = await ask(request, TAKE_MACHINE_PAYMENT, order)
    request.state.payment_headers = paid.headers
    if paid.refused is not None:
        raise PaymentRequired(paid.refused)


async def offered(request: Request, amount: Decimal) -> bool:
    """Say with the answer how so many BazaarBucks are paid by a machine; whether it can be."""
    if not gateway_of(request).settings.machine_payments:
        return False
    asked = OfferMachinePayment(amount=amount, resource=_resource(request))
    try:
        offer = await ask(request, OFFER_MACHINE_PAYMENT, asked)
    except Refusal:
        return False
    request.state.payment_headers = offer.headers
    return True


async def only_covered(request: Request, budget: Decimal | None) -> None:
    """Have a budget in the wallet before a turn begins that may cost so much.

    Where machines pay nothing, a turn finds out by itself what the wallet covers.

    Raises:
        PaymentRequired: the wallet has less.
    """
    machines = gateway_of(request).settings.machine_payments
    if budget is None or not machines or is_session(request) or await _is_begun(request):
        return
    wallet = await ask(request, GET_WALLET, GetWallet())
    if wallet.available < budget:
        raise PaymentRequired(
            f"The wallet does not cover {budget.normalize():f} BazaarBucks.", required=budget
        )


async def _is_begun(request: Request) -> bool:
    """Whether the turn of a request that is sent again has begun: its money may be set aside."""
    turn_id = keyed_effect(request)
    if turn_id is None:
        return False
    try:
        await ask(request, GET_TURN, GetTurn(turn_id=turn_id))
    except NotFound:
        return False
    return True


def _resource(request: Request) -> str:
    return str(request.url.replace(query=None))[:MOST_URL]
