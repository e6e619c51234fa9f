"""What was paid: in BazaarBucks, and by card."""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from contracts import api
from contracts.payment import (
    LIST_BAZAARBUCKS,
    LIST_STRIPE,
    BazaarBucksList,
    ListBazaarBucks,
    ListStripe,
    StripeList,
)
from gateway.asking import as_shown, ask
from gateway.errors import problems
from gateway.pages import LINKED, SAME, Paging, page_of
from gateway.parameters import StrictRoute

router = APIRouter(tags=["payments"], route_class=StrictRoute)


class ShownBazaarBucks(BazaarBucksList):
    """A page of payments, with numbers."""

    payments: list[api.BazaarBucksPayment]  # type: ignore[assignment]  # payments with numbers


class ShownStripe(StripeList):
    """A page of card payments, with numbers."""

    payments: list[api.StripePayment]  # type: ignore[assignment]  # payments with numbers


_BAZAARBUCKS = as_shown(LIST_BAZAARBUCKS, ShownBazaarBucks)
_STRIPE = as_shown(LIST_STRIPE, ShownStripe)
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
    found = await ask(request, _BAZAARBUCKS, question)
    return page_of(request, page, found.payments, _BAZAARBUCKS_LIST, found.next_cursor)


@router.get(
    "/api/payments/stripe",
    summary="Card payments, newest first",
    response_model=list[api.StripePayment],
    responses={200: LINKED, **SAME, **problems(504)},
)
async def list_card_payments(request: Request, page: Paging) -> Response:
    """What agents bought outside of the marketplace; `rail` says whether it was simulated."""
    found = await ask(request, _STRIPE, ListStripe(limit=page.limit, cursor=page.cursor))
    return page_of(request, page, found.payments, _STRIPE_LIST, found.next_cursor)
