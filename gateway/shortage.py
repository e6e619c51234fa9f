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
    available, lacks = None, NOTHING
    if error.required is not None:
        available, owed = await _available(request)
        if available is not None and available < error.required:
            lacks = error.required - available + owed
    helps = bool(lacks) and not is_session(request)  # What a session may spend, no money raises.
    if helps and await paying.offered(request, lacks):
        said_again(request)  # The next try may be paid: this answer is not the last.
    body = PaymentProblem(
        error=error.message,
        title=HTTPStatus(error.code).phrase,
        status=error.code,
        detail=error.message,
        required=error.required,
        available=available,
        top_up=TOP_UP if helps else None,
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
