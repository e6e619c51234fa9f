"""What the marketplace does not do by A2A, refused in the protocol's own words.

Whoever is to be told of ends is told by the account's webhooks (/api/webhooks): they are signed,
sent again, and of all its tasks. A2A's are of one task, with a token of the caller's.
"""

from typing import Any, NoReturn

from a2a.utils.errors import (
    ExtendedAgentCardNotConfiguredError,
    PushNotificationNotSupportedError,
)

INSTEAD = "Push notifications of single tasks are not sent; POST /api/webhooks tells of all."


class Refusing:
    """The handlers of push notifications and of the extended card."""

    @staticmethod
    def no_push() -> PushNotificationNotSupportedError:
        """The error, with what there is instead."""
        return PushNotificationNotSupportedError(INSTEAD)

    async def _no_push(self, _params: Any, _context: Any) -> NoReturn:
        raise self.no_push()

    async def _no_card(self, _params: Any, _context: Any) -> NoReturn:
        raise ExtendedAgentCardNotConfiguredError

    on_create_task_push_notification_config = _no_push
    on_get_task_push_notification_config = _no_push
    on_list_task_push_notification_configs = _no_push
    on_delete_task_push_notification_config = _no_push
    on_get_extended_agent_card = _no_card
