"""Push notifications of A2A: webhooks of one task, told by the payment service until they arrive.

What only the receiver is shown, token and credentials, goes in and never comes out.
"""

from typing import Any

from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import validate_request_params
from a2a.types import (
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    Task,
    TaskPushNotificationConfig,
)
from a2a.utils.errors import InvalidParamsError, TaskNotFoundError
from starlette.types import Scope

from gateway.doors.a2a.context import scope_of, version_of
from gateway.doors.a2a.errors import in_its_words, known
from gateway.doors.a2a.tasks import find
from gateway.doors.shared.answers import ID
from gateway.doors.shared.inside import Inside

WHERE = "/api/pushes"
MINE = "default"
"""The id of a push whose caller gave it none."""


class Pushes:
    """The handlers of push notification configs, a part of the handler of all."""

    _inside: Inside

    @validate_request_params
    async def on_create_task_push_notification_config(
        self, params: TaskPushNotificationConfig, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Have an address told how a task goes on, from how it stands."""
        outer = scope_of(context)
        with in_its_words():
            task = await find(self._inside, outer, params.task_id)
            return await added(self._inside, outer, params, task)

    @validate_request_params
    async def on_get_task_push_notification_config(
        self, params: GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """One of a task; in 0.3 it may be asked for without its id."""
        with in_its_words():
            found = await self._about(scope_of(context), params.task_id)
            for one in found:
                if params.id in (one.id, ""):
                    return one
            raise TaskNotFoundError("The task has no such push notification config.")

    @validate_request_params
    async def on_list_task_push_notification_configs(
        self, params: ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> ListTaskPushNotificationConfigsResponse:
        """All of a task: there are few."""
        with in_its_words():
            found = await self._about(scope_of(context), params.task_id)
            return ListTaskPushNotificationConfigsResponse(configs=found)

    @validate_request_params
    async def on_delete_task_push_notification_config(
        self, params: DeleteTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> None:
        """End one; what waits to be told is not told."""
        with in_its_words(), known():
            if ID.fullmatch(params.task_id) and ID.fullmatch(params.id):
                path = f"{WHERE}/{params.task_id}/{params.id}"
                await self._inside.ask(scope_of(context), "DELETE", path)
            else:
                await self._about(scope_of(context), params.task_id)

    async def _about(self, outer: Scope, task_id: str) -> list[TaskPushNotificationConfig]:
        if not ID.fullmatch(task_id):
            raise TaskNotFoundError
        with known():
            found = await self._inside.get(outer, WHERE, about=task_id)
        return [_config(one) for one in found["pushes"]]


async def looked_at(inside: Inside, outer: Scope, asked: TaskPushNotificationConfig) -> None:
    """Find out whether a push could be added, before the work that it is about begins.

    Raises:
        A2AError, Refused: it could not.
    """
    await inside.post(outer, WHERE, {**_body(outer, asked), "about": MINE, "onlyLook": True})


async def added(
    inside: Inside, outer: Scope, asked: TaskPushNotificationConfig, task: Task
) -> TaskPushNotificationConfig:
    """Add a push about a task of the caller's.

    Raises:
        A2AError, Refused: it cannot be added.
    """
    about = {"about": task.id, "context": task.context_id or None}
    with known():
        made = await inside.post(outer, WHERE, _body(outer, asked) | about)
    return _config(made["push"])


def _body(outer: Scope, asked: TaskPushNotificationConfig) -> dict[str, Any]:
    if asked.id and not ID.fullmatch(asked.id):
        raise InvalidParamsError("id: letters, digits, - and _ are expected, 64 at most")
    who = asked.authentication
    given = {
        "token": asked.token,
        "scheme": who.scheme,
        "credentials": who.credentials,
    }
    body: dict[str, Any] = {name: value for name, value in given.items() if value}
    return {
        **body,
        "pushId": asked.id or MINE,
        "url": asked.url,
        "wire": version_of(outer),
    }


def _config(push: dict[str, Any]) -> TaskPushNotificationConfig:
    found = TaskPushNotificationConfig(id=push["pushId"], task_id=push["about"], url=push["url"])
    if push.get("scheme"):
        found.authentication.scheme = push["scheme"]
    return found
