"""Tasks as a list: the account's own, newest first, page by page."""

from http import HTTPStatus
from typing import Any

from a2a.types import ListTasksRequest, ListTasksResponse, Task, TaskState
from a2a.utils.errors import InvalidParamsError
from starlette.types import Scope

from gateway.doors.a2a.tasks import of_task, steps_of, without_artifacts
from gateway.doors.shared.answers import Refused, place
from gateway.doors.shared.inside import Inside

PAGE, MOST = 50, 100


async def tasks(inside: Inside, outer: Scope, asked: ListTasksRequest) -> ListTasksResponse:
    """A page; what a filter leaves out of it is not made up for by the next.

    `totalSize` is that of the page: nobody counts all.

    Raises:
        A2AError, Refused: the page cannot be.
    """
    size = asked.page_size if asked.HasField("page_size") else PAGE
    if not 1 <= size <= MOST:
        raise InvalidParamsError(f"pageSize: 1 to {MOST}")
    if asked.context_id:
        found, after = await _of_context(inside, outer, asked.context_id), None
    else:
        query = {"limit": size, "cursor": asked.page_token or None}
        said = await inside.ask(outer, "GET", "/api/tasks", query=query)
        found, after = said.json(), said.next_cursor
    wanted = [one for one in found if _is_wanted(of_task(one, ()), asked)]
    if asked.include_artifacts:  # Nobody tells of the steps of several tasks at once.
        shown = [of_task(one, await steps_of(inside, outer, one["id"])) for one in wanted]
    else:
        shown = [without_artifacts(of_task(one, ())) for one in wanted]
    return ListTasksResponse(
        tasks=shown,
        next_page_token=after or "",
        page_size=size,
        total_size=len(shown),
    )


async def _of_context(inside: Inside, outer: Scope, id_: str) -> list[dict[str, Any]]:
    """The one task of a context; none of a context that is not there."""
    try:
        return [await inside.get(outer, place("/api/tasks/{}", id_))]
    except Refused as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            return []
        raise


def _is_wanted(task: Task, asked: ListTasksRequest) -> bool:
    status: Any = task.status
    if asked.status not in (TaskState.TASK_STATE_UNSPECIFIED, status.state):
        return False
    if not asked.HasField("status_timestamp_after"):
        return True
    return bool(status.timestamp.ToDatetime() >= asked.status_timestamp_after.ToDatetime())
