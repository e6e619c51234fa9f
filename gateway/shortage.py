"""402 as a program can act on it: how much is needed, how much is there, where to get more."""

from decimal import Decimal
from http import HTTPStatus

from fastapi import Request, Response

from chassis.observability.terminal import escaped
from contracts.api import PaymentProblem
from contracts.errors import PaymentRequired, Refusal
from contracts.ledger import GET_WALLET, GetWallet
from contracts.spending import GET_SPENDER, GetSpender
from gateway import paying
from gateway.asking import ask, is_session, said_again, spender_of
from gateway.errors import PROBLEM_JSON

NOTHING = Decimal(0)
TOP_UP = "/api/payments/checkout"


async def refused(request: Request, error: PaymentRequired) -> Response:
    """The answer to what is not covered."""
    available, owed = await _available(request) if error.required is not None else (None, NOTHING)
    short = error.required is not None and available is not None and available < error.required
    if (
        error.required is not None
        and available is not None
        and short
        and not is_session(request)
        and await paying.offered(request, error.required - available + owed)
    ):
        said_again(request)  # The next try may be paid: this answer is not the last.
    body = PaymentProblem(
        error=error.message,
        title=HTTPStatus(error.code).phrase,
        status=error.code,
        detail=error.message,
        required=error.required,
        available=available,
        top_up=TOP_UP if short and not is_session(request) else None,
    )
    return Response(escaped(body.model_dump_json()), error.code, media_type=PROBLEM_JSON)


async def _available(request: Request) -> tuple[Decimal | None, Decimal]:
    """What is in the wallet, and what it owes; of a session, what it may still spend, no more."""
    try:
        if is_session(request):
            asked = GetSpender(spender_id=spender_of(request) or "")
            return (await ask(request, GET_SPENDER, asked)).remaining, NOTHING
        wallet = await ask(request, GET_WALLET, GetWallet())
    except Refusal:
        return None, NOTHING
    return wallet.available, wallet.owed
