"""What an account asks about its webhooks."""

from pydantic import HttpUrl

from chassis.db.database import Database
from chassis.db.pages import next_in_time, place_in_time
from chassis.db.transaction import Transaction
from chassis.handling.injection import Reading
from chassis.outbound import AddressRefused, CallError, Outbound
from contracts.envelope import Envelope
from contracts.errors import Conflict, Invalid, NotFound, Unavailable
from contracts.hooks import (
    HOOK_EVENTS,
    AddWebhook,
    DeleteWebhook,
    DeliveryList,
    DeliveryView,
    ListDeliveries,
    ListWebhooks,
    ReplayDeliveries,
    Replayed,
    WebhookList,
    WebhookReply,
    WebhookView,
)
from payment_svc.hooks import signing, store
from payment_svc.hooks.telling import Listening

MOST = 10
"""Webhooks of one account."""
LOOK_UP_S = 3.0
TAKEN = "This webhook id was used for something else."


async def add_webhook(
    request: AddWebhook,
    db: Database,
    http: Outbound,
    sealed: signing.Sealed | None,
    listening: Listening,
    here: Envelope,
) -> WebhookReply:
    """Make a webhook; its secret is in this answer and nowhere else.

    Raises:
        Invalid: its address may not be called, or has none.
        Conflict: there are too many, or the id is taken.
        Unavailable: there is no key to keep secrets with.
    """
    url, sealed = await judged(request.url, http, sealed)
    secret = signing.new_secret()
    values = {
        "id": request.webhook_id,
        "account": here.account,
        "url": url,
        "events": list(dict.fromkeys(request.events)) or list(HOOK_EVENTS),
        "secret": sealed.close(secret),
    }
    async with db.transaction(here) as tx:
        known = await store.of_account(tx.conn, here.account)
        same = next((one for one in known if one.id == request.webhook_id), None)
        if same is not None:
            if (same.url, same.events) != (url, values["events"]):
                raise Conflict(TAKEN)
            return WebhookReply(webhook=_view(same))
        if len(known) >= MOST:
            raise Conflict(f"An account has at most {MOST} webhooks.")
        made = await store.add(tx.conn, values)
        if made is None:
            raise Conflict(TAKEN)
    await listening.look()
    return WebhookReply(webhook=_view(made).model_copy(update={"secret": secret}))


async def judged(
    asked: HttpUrl, http: Outbound, sealed: signing.Sealed | None
) -> tuple[str, signing.Sealed]:
    """An address that may be called, and what its secrets are kept with.

    Raises:
        Invalid: it may not be called, or has no address.
        Unavailable: there is no key to keep secrets with.
    """
    if sealed is None:
        raise Unavailable("No webhook is made: WEBHOOK_KEY is not set.")
    url = str(asked)
    if asked.username or asked.password or asked.fragment:
        raise Invalid("url: It must have no credentials and no fragment.")
    try:
        await http.judge(url, LOOK_UP_S)
    except AddressRefused as refused:
        raise Invalid(f"url: {refused.why}.") from None
    except CallError as error:
        raise Invalid(f"url: It cannot be reached: {error.why}.") from None
    return url, sealed


async def list_webhooks(_request: ListWebhooks, tx: Reading, here: Envelope) -> WebhookList:
    """The account's webhooks, oldest first, without their secrets."""
    found = await store.of_account(tx.conn, here.account)
    return WebhookList(webhooks=[_view(one) for one in found])


async def delete_webhook(request: DeleteWebhook, tx: Transaction, here: Envelope) -> WebhookReply:
    """End a webhook.

    Raises:
        NotFound: the account has none with this id.
    """
    hook = await _own(tx, here.account, request.webhook_id, lock=True)
    await store.remove(tx.conn, hook.id)
    return WebhookReply(webhook=_view(hook))


async def list_deliveries(request: ListDeliveries, tx: Reading, here: Envelope) -> DeliveryList:
    """What a webhook was told, newest first.

    Raises:
        NotFound: the account has none with this id.
    """
    hook = await _own(tx, here.account, request.webhook_id)
    rows = await store.page(tx.conn, hook.id, request.limit, place_in_time(request))
    shown = [
        DeliveryView.model_validate(row, from_attributes=True) for row in rows[: request.limit]
    ]
    return DeliveryList(deliveries=shown, next_cursor=next_in_time(rows, request.limit))


async def replay_deliveries(request: ReplayDeliveries, tx: Transaction, here: Envelope) -> Replayed:
    """Have one message told again, or all that failed.

    Raises:
        NotFound: the account has no such webhook, or it no such message.
    """
    hook = await _own(tx, here.account, request.webhook_id, lock=True)
    again = await store.replay(tx.conn, hook.id, request.delivery_id)
    if request.delivery_id is not None and not again:
        raise NotFound("Delivery not found")
    return Replayed(deliveries=again)


async def _own(
    tx: Transaction, account: str, webhook_id: str, *, lock: bool = False
) -> store.Found:
    hook = await store.find(tx.conn, account, webhook_id, lock=lock)
    if hook is None:
        raise NotFound("Webhook not found")
    return hook


def _view(row: store.Found) -> WebhookView:
    shown = {name: value for name, value in row._asdict().items() if name != "secret"}
    return WebhookView.model_validate(shown)
