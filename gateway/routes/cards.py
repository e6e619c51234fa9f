"""Real card payments: topping the wallet up, trying a failed one again, Stripe's webhook."""

import base64

from fastapi import APIRouter, HTTPException, Request, Response

from contracts import api, bodies
from contracts.cards import (
    OPEN_CHECKOUT,
    REFUND_CARD,
    RETRY_CARD,
    TAKE_WEBHOOK,
    Checkout,
    OpenCheckout,
    RefundCard,
    RetryCard,
    TakeWebhook,
)
from gateway.asking import answer, ask, effect_of, keyed_effect, known_id, made, shown
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["payments"], route_class=StrictRoute)
posts = APIRouter(tags=["payments"], route_class=JsonRoute)


@posts.post(
    "/api/payments/checkout",
    summary="Top the wallet up by card",
    response_model=Checkout,
    responses=problems(400, 409, 415, 504),
)
async def open_checkout(request: Request, body: bodies.OpenCheckout) -> Response:
    """The address of Stripe's page; the wallet is credited when Stripe says that it was paid.

    The simulated rail has no such page, and credits the wallet at once: money to try things with.
    """
    payment_id = body.payment_id or keyed_effect(request)
    order = made(OpenCheckout, amount=body.amount, payment_id=payment_id)
    opened = await ask(request, OPEN_CHECKOUT, order)
    return answer(opened)


@router.post(
    "/api/payments/stripe/{id}/retry",
    summary="Try a failed card payment again",
    response_model=api.StripePayment,
    responses=problems(404, 409, 504),
)
async def retry_card_payment(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """It is pending then, and attempted at once; 409 when it did not fail."""
    order = RetryCard(payment_id=known_id(id, "Payment"))
    return answer(shown(api.StripePayment, (await ask(request, RETRY_CARD, order)).payment))


@posts.post(
    "/api/payments/stripe/{id}/refund",
    summary="Give back what an agent bought by card",
    response_model=api.StripePayment,
    responses=problems(400, 404, 409, 415, 504),
)
async def refund_card_payment(request: Request, id: PathId, body: bodies.CardRefund) -> Response:  # noqa: A002  (the path's own word)
    """To the wallet at once, to the card by its rail; the answer is the refund's own record."""
    order = RefundCard(
        payment_id=known_id(id, "Payment"), refund_id=body.refund_id or effect_of(request)
    )
    return answer(shown(api.StripePayment, (await ask(request, REFUND_CARD, order)).payment))


@router.post(
    "/api/payments/stripe/webhook",
    include_in_schema=False,  # for Stripe alone; docs/payments.md has how to set it up
)
async def webhook(request: Request) -> Response:
    """The signature is checked on the raw body; 200 when the event is stored, now or before."""
    order = made(
        TakeWebhook,
        payload=base64.b64encode(await request.body()).decode(),
        signature=request.headers.get("stripe-signature", ""),
    )
    taken = await ask(request, TAKE_WEBHOOK, order)
    if taken.refused:
        raise HTTPException(400, taken.refused)
    return Response(b'{"received":true}', media_type="application/json")
