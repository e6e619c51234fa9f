"""Messages about webhooks: where accounts are told what concerns them, and what was told."""

from typing import Annotated, Literal

from pydantic import Field, HttpUrl

from contracts.base import Call, Id, Model, Moment, Page

HookEvent = Literal[
    "task.completed",
    "task.failed",
    "step.approval_requested",
    "seller.paid",
    "seller.refunded",
    "seller.suspended",
    "payout.paid",
    "payout.failed",
]
"""What can be told: the first three to who has a task done, the others to who sells."""
HOOK_EVENTS: tuple[HookEvent, ...] = (
    "task.completed",
    "task.failed",
    "step.approval_requested",
    "seller.paid",
    "seller.refunded",
    "seller.suspended",
    "payout.paid",
    "payout.failed",
)
HookUrl = Annotated[HttpUrl, Field(max_length=2_000)]


class AddWebhook(Model):
    """Has an account told of events at a URL.

    Raises (over the bus): `Invalid` when the address may not be called, `Conflict` when there are
    too many or the id is taken, `Unavailable` when secrets cannot be kept.

    Attributes:
        webhook_id: chosen by the caller; the same again is the same webhook, without its secret.
        events: of which; all when empty.
    """

    webhook_id: Id
    url: HookUrl
    events: list[HookEvent] = Field(default_factory=list, max_length=len(HOOK_EVENTS))


class WebhookView(Model):
    """A webhook.

    Attributes:
        secret: what its messages are signed with; shown once, when it is made.
        failing_since: when the first of the deliveries failed that have not succeeded since.
        disabled_at: since when nothing is told any more; a replay ends that.
    """

    id: Id
    url: str
    events: list[HookEvent]
    secret: str | None = None
    created_at: Moment
    failing_since: Moment | None = None
    disabled_at: Moment | None = None


class WebhookReply(Model):
    """One webhook."""

    webhook: WebhookView


class ListWebhooks(Model):
    """Asks for the account's webhooks, oldest first; there are few."""


class WebhookList(Model):
    """The account's webhooks."""

    webhooks: list[WebhookView]


class DeleteWebhook(Model):
    """Ends a webhook; what waits for it is not told."""

    webhook_id: Id


class ListDeliveries(Page):
    """Asks for what a webhook was told, newest first, of the last 30 days."""

    webhook_id: Id


class DeliveryView(Model):
    """A message to a webhook.

    Attributes:
        event_id: the header `webhook-id`; the same for every try, also after a replay.
        answered: the status of the last answer.
        note: why the last try failed, as a sentence.
    """

    id: Id
    event_id: str
    type: str
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    answered: int | None = None
    note: str | None = None
    created_at: Moment
    next_attempt_at: Moment | None = None
    delivered_at: Moment | None = None


class DeliveryList(Model):
    """A page of deliveries."""

    deliveries: list[DeliveryView]
    next_cursor: str | None = None


class ReplayDeliveries(Model):
    """Has messages told again: one, or all that failed; a disabled webhook is enabled by that."""

    webhook_id: Id
    delivery_id: Id | None = None


class Replayed(Model):
    """How many messages are told again."""

    deliveries: int = Field(ge=0)


ADD_WEBHOOK = Call("payment", "add_webhook", AddWebhook, WebhookReply)
LIST_WEBHOOKS = Call("payment", "list_webhooks", ListWebhooks, WebhookList)
DELETE_WEBHOOK = Call("payment", "delete_webhook", DeleteWebhook, WebhookReply)
LIST_DELIVERIES = Call("payment", "list_deliveries", ListDeliveries, DeliveryList)
REPLAY_DELIVERIES = Call("payment", "replay_deliveries", ReplayDeliveries, Replayed)
