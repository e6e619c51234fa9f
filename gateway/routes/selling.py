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
    REQUEST_PAYOUT,
    SET_DESTINATION,
    EarningsList,
    GetSeller,
    ListEarnings,
    ListPayouts,
    PayoutList,
    PayoutReply,
    RequestPayout,
    SetDestination,
)
from gateway.asking import answer, as_shown, ask, effect_of, made
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.pages import LINKED, Paging, page_of
from gateway.parameters import StrictRoute

router = APIRouter(tags=["selling"], route_class=StrictRoute)
posts = APIRouter(tags=["selling"], route_class=JsonRoute)


class ShownEarnings(EarningsList):
    """A page of earnings, with numbers."""

    lines: list[api.Earnings]  # type: ignore[assignment]  # lines with numbers


class ShownPayout(PayoutReply):
    """A payout, with numbers."""

    payout: api.Payout


class ShownPayouts(PayoutList):
    """A page of payouts, with numbers."""

    payouts: list[api.Payout]  # type: ignore[assignment]  # payouts with numbers


_SELLER = as_shown(GET_SELLER, api.Seller)
_DESTINATION = as_shown(SET_DESTINATION, api.Seller)
_EARNINGS = as_shown(LIST_EARNINGS, ShownEarnings)
_REQUEST = as_shown(REQUEST_PAYOUT, ShownPayout)
_PAYOUTS = as_shown(LIST_PAYOUTS, ShownPayouts)
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
    seller = await ask(request, _SELLER, GetSeller())
    return answer(seller)


@posts.put(
    "/api/seller/destination",
    summary="Say where the account is paid",
    response_model=api.Seller,
    responses=problems(400, 415, 504),
)
async def set_destination(request: Request, body: bodies.Destination) -> Response:
    """A connected account at Stripe; the simulated rail needs none."""
    order = SetDestination(destination=body.destination)
    seller = await ask(request, _DESTINATION, order)
    return answer(seller)


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
    found = await ask(request, _EARNINGS, question)
    return page_of(request, page, found.lines, _EARNINGS_LIST, found.next_cursor)


@posts.post(
    "/api/seller/payouts",
    summary="Have what was earned paid out",
    response_model=api.Payout,
    responses=problems(400, 409, 415, 504),
)
async def request_payout(request: Request, body: bodies.NewPayout) -> Response:
    """All that is available without an `amount`; it is on its way then, and is paid once."""
    order = made(RequestPayout, payout_id=body.payout_id or effect_of(request), amount=body.amount)
    return answer((await ask(request, _REQUEST, order)).payout)


@router.get(
    "/api/seller/payouts",
    summary="Payouts, newest first",
    response_model=list[api.Payout],
    responses={200: LINKED, **problems(504)},
)
async def list_payouts(request: Request, page: Paging) -> Response:
    """What is on its way, what was paid, what failed and why."""
    found = await ask(request, _PAYOUTS, ListPayouts(limit=page.limit, cursor=page.cursor))
    return page_of(request, page, found.payouts, _PAYOUT_LIST, found.next_cursor)
