"""The seller's side: what an account's agents earned, and how that is paid out."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator, TypeAdapter, WithJsonSchema

from contracts import api, bodies
from contracts.base import Id
from contracts.selling import (
    GET_SELLER,
    LIST_EARNINGS,
    LIST_PAYOUTS,
    OPEN_ONBOARDING,
    REQUEST_PAYOUT,
    SET_DESTINATION,
    GetSeller,
    ListEarnings,
    ListPayouts,
    OpenOnboarding,
    RequestPayout,
    SetDestination,
)
from gateway.asking import answer, ask, effect_of, made, shown
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.pages import LINKED, Paging, listed
from gateway.parameters import StrictRoute

router = APIRouter(tags=["selling"], route_class=StrictRoute)
posts = APIRouter(tags=["selling"], route_class=JsonRoute)


_EARNINGS_LIST = TypeAdapter(list[api.Earnings])
_PAYOUT_LIST = TypeAdapter(list[api.Payout])
_DAY_LENGTH = len("2026-01-31")


def _day(text: str) -> date:
    """A day in the one form that is described; Python knows more."""
    if len(text) != _DAY_LENGTH or text[4] != "-":
        raise ValueError("a day is expected, as 2026-01-31")
    return date.fromisoformat(text)


_DAY = {"type": "string", "format": "date"}
Day = Annotated[
    date | None,
    BeforeValidator(_day),
    Query(description="In UTC, as 2026-01-31."),
    WithJsonSchema(_DAY),
]


@router.get(
    "/api/seller",
    summary="What the account has to get for the work of its agents",
    response_model=api.Seller,
    responses=problems(504),
)
async def get_seller(request: Request) -> Response:
    """What waits until no payer may have it back, what can be paid out, what was."""
    seller = await ask(request, GET_SELLER, GetSeller())
    return answer(shown(api.Seller, seller))


@router.post(
    "/api/seller/onboarding",
    summary="Be onboarded at Stripe, to be paid there",
    response_model=api.Onboarding,
    responses=problems(409, 504),
)
async def open_onboarding(request: Request) -> Response:
    """A page of Stripe's, good for some minutes: open it, and ask for another when it is over."""
    link = await ask(request, OPEN_ONBOARDING, OpenOnboarding())
    return answer(shown(api.Onboarding, link))


@posts.put(
    "/api/seller/destination",
    summary="Say where the account is paid",
    response_model=api.Seller,
    responses=problems(400, 415, 504),
)
async def set_destination(request: Request, body: bodies.Destination) -> Response:
    """A connected account at Stripe; the simulated rail needs none."""
    order = SetDestination(destination=body.destination)
    seller = await ask(request, SET_DESTINATION, order)
    return answer(shown(api.Seller, seller))


@router.get(
    "/api/seller/earnings",
    summary="What the account's agents earned, by day and agent, newest first",
    response_model=list[api.Earnings],
    responses={200: LINKED, **problems(504)},
)
async def list_earnings(
    request: Request,
    page: Paging,
    agent: Annotated[Id | None, Query(description="Of this agent alone.")] = None,
    since: Day = None,
    until: Day = None,
) -> Response:
    """Jobs, faults, what was charged, the fees, what was given back, and what is the seller's."""
    question = made(
        ListEarnings,
        agent_id=agent,
        since=since,
        until=until,
        limit=page.limit,
        cursor=page.cursor,
    )
    return await listed(request, page, LIST_EARNINGS, question, _EARNINGS_LIST)


@posts.post(
    "/api/seller/payouts",
    summary="Have what was earned paid out",
    response_model=api.Payout,
    responses=problems(400, 409, 415, 504),
)
async def request_payout(request: Request, body: bodies.NewPayout) -> Response:
    """All that is available without an `amount`; it is on its way then, and is paid once."""
    order = made(RequestPayout, payout_id=body.payout_id or effect_of(request), amount=body.amount)
    return answer(shown(api.Payout, (await ask(request, REQUEST_PAYOUT, order)).payout))


@router.get(
    "/api/seller/payouts",
    summary="Payouts, newest first",
    response_model=list[api.Payout],
    responses={200: LINKED, **problems(504)},
)
async def list_payouts(request: Request, page: Paging) -> Response:
    """What is on its way, what was paid, what failed and why."""
    question = ListPayouts(limit=page.limit, cursor=page.cursor)
    return await listed(request, page, LIST_PAYOUTS, question, _PAYOUT_LIST)
