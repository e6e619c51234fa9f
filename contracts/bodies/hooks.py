"""Bodies about webhooks: a new one, and sending again what failed."""

from pydantic import Field

from contracts.base import Id
from contracts.bodies.base import Body, such_as
from contracts.hooks import HOOK_EVENTS, HookEvent, HookUrl
from contracts.pushes import AddPush


class NewWebhook(
    Body,
    json_schema_extra=such_as(url="https://shop.example/hook", events=["task.completed"]),
):
    """Body of POST /api/webhooks; of all events without `events`."""

    url: HookUrl
    events: list[HookEvent] = Field(default_factory=list, max_length=len(HOOK_EVENTS))


class Replay(Body, json_schema_extra=such_as(deliveryId="0f8fad5bd9cb469fa165")):
    """Body of POST /api/webhooks/{id}/replay; all that failed without a `deliveryId`."""

    delivery_id: Id | None = None


class NewPush(
    AddPush,
    Body,
    json_schema_extra=such_as(
        about="0f8fad5bd9cb469fa165", pushId="mine", url="https://agent.example/told"
    ),
):
    """Body of POST /api/pushes: what the payment service is asked, as it is."""
