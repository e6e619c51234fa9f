"""What was paid: in BazaarBucks, and by card."""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from contracts import api
from contracts.payment import (
    LIST_BAZAARBUCKS,
    LIST_STRIPE,
    ListBazaarBucks,
    ListStripe,
)
from gateway.errors import problems
from gateway.pages import LINKED, SAME, Paging, listed
from gateway.parameters import StrictRoute

router = APIRouter(tags=["payments"], route_class=StrictRoute)


_BAZAARBUCKS_LIST = TypeAdapter(list[api.BazaarBucksPayment])
_STRIPE_LIST = TypeAdapter(list[api.StripePayment])


@router.get(
    "/api/payments/bazaarbucks",
    summary="Payments in BazaarBucks, newest first",
    response_model=list[api.BazaarBucksPayment],
    responses={200: LINKED, **SAME, **problems(504)},
)
async def list_payments(request: Request, page: Paging) -> Response:
    """What agents were paid, what the platform took, what was given back."""
    question = ListBazaarBucks(limit=page.limit, cursor=page.cursor)
    return await listed(request, page, LIST_BAZAARBUCKS, question, _BAZAARBUCKS_LIST)


@router.get(
    "/api/payments/stripe",
    summary="Card payments, newest first",
    response_model=list[api.StripePayment],
    responses={200: LINKED, **SAME, **problems(504)},
)
async def list_card_payments(request: Request, page: Paging) -> Response:
    """What agents bought outside of the marketplace; `rail` says whether it was simulated."""
    question = ListStripe(limit=page.limit, cursor=page.cursor)
    return await listed(request, page, LIST_STRIPE, question, _STRIPE_LIST)
