"""Webhooks: where an account is told what concerns it."""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from contracts import bodies
from contracts.hooks import (
    ADD_WEBHOOK,
    DELETE_WEBHOOK,
    LIST_DELIVERIES,
    LIST_WEBHOOKS,
    REPLAY_DELIVERIES,
    AddWebhook,
    DeleteWebhook,
    DeliveryView,
    ListDeliveries,
    ListWebhooks,
    ReplayDeliveries,
    Replayed,
    WebhookView,
)
from gateway.asking import answer, ask, effect_of, known_id, made, said_again
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.pages import LINKED, Page, Paging, page_of
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["webhooks"], route_class=StrictRoute)
posts = APIRouter(tags=["webhooks"], route_class=JsonRoute)
_HOOKS = TypeAdapter(list[WebhookView])
_DELIVERIES = TypeAdapter(list[DeliveryView])


@posts.post(
    "/api/webhooks",
    summary="Be told of events at a URL",
    response_model=WebhookView,
    responses=problems(400, 409, 415, 504),
)
async def add_webhook(request: Request, body: bodies.NewWebhook) -> Response:
    """The answer has the secret that messages are signed with: it is shown this once."""
    order = made(AddWebhook, webhook_id=effect_of(request), url=body.url, events=body.events)
    said_again(request)  # No key keeps a secret.
    return answer((await ask(request, ADD_WEBHOOK, order)).webhook)


@router.get(
    "/api/webhooks",
    summary="The account's webhooks, oldest first",
    response_model=list[WebhookView],
    responses=problems(504),
)
async def list_webhooks(request: Request) -> Response:
    """Without their secrets; there are ten at most."""
    found = await ask(request, LIST_WEBHOOKS, ListWebhooks())
    return page_of(request, Page(), found.webhooks, _HOOKS, None)


@router.delete(
    "/api/webhooks/{id}",
    summary="End a webhook",
    response_model=WebhookView,
    responses=problems(404, 504),
)
async def delete_webhook(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """What waits for it is not told any more."""
    order = DeleteWebhook(webhook_id=known_id(id, "Webhook"))
    return answer((await ask(request, DELETE_WEBHOOK, order)).webhook)


@router.get(
    "/api/webhooks/{id}/deliveries",
    summary="What a webhook was told, newest first",
    response_model=list[DeliveryView],
    responses={200: LINKED, **problems(404, 504)},
)
async def list_deliveries(request: Request, id: PathId, page: Paging) -> Response:  # noqa: A002  (as above)
    """Of the last 30 days: what arrived, what waits for another try, what was given up and why."""
    webhook_id = known_id(id, "Webhook")
    question = ListDeliveries(webhook_id=webhook_id, limit=page.limit, cursor=page.cursor)
    found = await ask(request, LIST_DELIVERIES, question)
    return page_of(request, page, found.deliveries, _DELIVERIES, found.next_cursor)


@posts.post(
    "/api/webhooks/{id}/replay",
    summary="Tell a webhook again",
    response_model=Replayed,
    responses=problems(400, 404, 415, 504),
)
async def replay(request: Request, id: PathId, body: bodies.Replay) -> Response:  # noqa: A002  (as above)
    """One message, or all that failed; a webhook that was disabled is told again from then on."""
    order = ReplayDeliveries(webhook_id=known_id(id, "Webhook"), delivery_id=body.delivery_id)
    replayed = await ask(request, REPLAY_DELIVERIES, order)
    return answer(replayed)
