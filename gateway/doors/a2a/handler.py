"""What A2A asks for, answered by the API; the library has the wire and its checks."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from http import HTTPStatus
from typing import Any, NoReturn

from a2a.server.context import ServerCallContext
from a2a.server.events.event_queue import Event
from a2a.server.request_handlers.request_handler import RequestHandler, validate_request_params
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskState,
)
from a2a.utils.errors import (
    ExtendedAgentCardNotConfiguredError,
    TaskNotCancelableError,
    UnsupportedOperationError,
)
from starlette.datastructures import Headers
from starlette.types import Scope

from gateway.doors.a2a import listing
from gateway.doors.a2a.context import scope_of
from gateway.doors.a2a.errors import in_its_words, known, stream_in_its_words
from gateway.doors.a2a.orders import Order, carry_out, order_of
from gateway.doors.a2a.pushes import Pushes, added, looked_at
from gateway.doors.a2a.streaming import (
    EVENTS,
    Followed,
    about,
    follow,
    followed_by,
    in_context,
    last_words,
    news,
    until_done,
)
from gateway.doors.a2a.tasks import ENDED, TURN, at_work, find, of_call, of_turn
from gateway.doors.shared.answers import Refused, place
from gateway.doors.shared.inside import Inside
from gateway.doors.shared.lasting import Lasting

OVER = "The task has come to its end. Send a message with its contextId and without its taskId."
BUSY = "The task is at work and takes no further message before its end."


class Handler(Pushes, RequestHandler):
    """The requests of A2A, for whichever binding they came by."""

    def __init__(self, inside: Inside, lasting: Lasting) -> None:
        """Ask the API `inside`; what a message asks for is `lasting`."""
        self._inside = inside
        self._lasting = lasting

    @validate_request_params
    async def on_message_send(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> Task | Message:
        """Carry out what is asked for; with `returnImmediately` no longer than until it began."""
        outer = scope_of(context)
        with in_its_words():
            order = await self._order(outer, params)
            if order.push is not None and not params.configuration.return_immediately:
                return await self._told_to_the_end(outer, order)
            if params.configuration.return_immediately:
                return in_context(await self._begun(outer, order), order)
            task = await self._task_of(outer, order, await self._done(outer, order))
            return in_context(task, order)

    @validate_request_params
    async def on_message_send_stream(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Carry it out, and tell what happens meanwhile; it goes on when nobody listens."""
        async with aclosing(self._told(scope_of(context), params)) as told:
            async for event in stream_in_its_words(told):
                yield event

    @validate_request_params
    async def on_subscribe_to_task(
        self, params: SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """A task that is at work, from how it stands to its end."""
        async with aclosing(self._from_now(scope_of(context), params.id)) as told:
            async for event in stream_in_its_words(told):
                yield event

    @validate_request_params
    async def on_get_task(self, params: GetTaskRequest, context: ServerCallContext) -> Task:
        """A task as it stands."""
        with in_its_words():
            return await find(self._inside, scope_of(context), params.id)

    async def on_list_tasks(
        self, params: ListTasksRequest, context: ServerCallContext
    ) -> ListTasksResponse:
        """The account's tasks, newest first."""
        with in_its_words():
            return await listing.tasks(self._inside, scope_of(context), params)

    @validate_request_params
    async def on_cancel_task(self, params: CancelTaskRequest, context: ServerCallContext) -> Task:
        """Cancel a task, and the turn that works on it."""
        outer = scope_of(context)
        with in_its_words():
            is_turn = params.id.startswith(TURN)
            path = "/api/turns/{}/cancel" if is_turn else "/api/tasks/{}/cancel"
            with known():
                at = place(path, params.id.removeprefix(TURN))
                done = await self._inside.post(outer, at, None)
            if not done["cancelled"]:
                raise TaskNotCancelableError
            task = await find(self._inside, outer, params.id)
            # Its bill may not be settled yet; that it is cancelled is certain.
            task.status.state = TaskState.TASK_STATE_CANCELED
            return task

    async def on_get_extended_agent_card(self, _params: Any, _context: Any) -> NoReturn:
        """There is none: the card tells everybody all."""
        raise ExtendedAgentCardNotConfiguredError

    async def _order(self, outer: Scope, params: SendMessageRequest) -> Order:
        if params.message.task_id:
            task = await find(self._inside, outer, params.message.task_id)
            raise UnsupportedOperationError(OVER if task.status.state in ENDED else BUSY)
        order = order_of(params)
        if params.configuration.HasField("task_push_notification_config"):
            order.push = params.configuration.task_push_notification_config
            await looked_at(self._inside, outer, order.push)
        return order

    async def _done(self, outer: Scope, order: Order) -> dict[str, Any]:
        return await self._lasting.done(carry_out(self._inside, outer, order))

    def _begin(self, outer: Scope, order: Order) -> "asyncio.Task[dict[str, Any]]":
        return self._lasting.begin(carry_out(self._inside, outer, order))

    async def _task_of(self, outer: Scope, order: Order, answer: dict[str, Any]) -> Task:
        """The task of theirs that an order's answer is about."""
        return await of_turn(self._inside, outer, answer) if order.is_turn else of_call(answer)

    async def _begun(self, outer: Scope, order: Order) -> Task:
        """The task of an order as soon as there is one; its end, for who may not read along."""
        async with aclosing(self._carried_out(outer, order)) as told:
            try:
                first = await anext(told)
            except Refused as refused:
                if refused.status != HTTPStatus.FORBIDDEN or order.effect is not None:
                    raise
                return await self._task_of(outer, order, await self._done(outer, order))
        if not isinstance(first, Task):
            raise TypeError("a stream begins with the task")
        return first

    async def _told(self, outer: Scope, params: SendMessageRequest) -> AsyncGenerator[Event]:
        order = await self._order(outer, params)
        async with aclosing(self._carried_out(outer, order)) as told:
            async for event in told:
                yield in_context(event, order)

    async def _told_to_the_end(self, outer: Scope, order: Order) -> Task:
        """The task at its end; whom it pushes to is known since it began."""
        begun: Task | None = None
        async with aclosing(self._carried_out(outer, order)) as told:
            async for event in told:
                begun = begun or (event if isinstance(event, Task) else None)
        if begun is None:  # The gateway stops.
            raise Refused(503, b"", Headers())
        return in_context(await find(self._inside, outer, begun.id), order)

    async def _carried_out(self, outer: Scope, order: Order) -> AsyncGenerator[Event]:
        """First the task, whose pushes are added then; then what happens, and last its end."""
        waiting = order.push
        async with aclosing(self._happening(outer, order)) as told:
            async for event in told:
                if waiting is not None and isinstance(event, Task):
                    await added(self._inside, outer, waiting, in_context(event, order))
                    waiting = None
                yield event

    async def _happening(self, outer: Scope, order: Order) -> AsyncGenerator[Event]:
        async with AsyncExitStack() as open_:
            told = await open_.enter_async_context(self._inside.events(outer, EVENTS))
            work = self._begin(outer, order)
            followed, begun = Followed(), False
            happens = until_done(told, work)
            open_.push_async_callback(happens.aclose)
            async for event in happens:
                followed = followed if begun else follow(order)
                if not followed.is_about(event):
                    continue
                if not begun and followed.id is not None:
                    begun = True
                    yield at_work(followed.id, followed.task_id)
                if (update := news(followed, event)) is not None:
                    yield update
            if not work.done():  # The gateway stops; the task is subscribed to at another.
                return
            task = await self._end(outer, followed if begun else None, order, work)
        for last in last_words(task) if begun else [task]:
            yield last

    async def _end(
        self,
        outer: Scope,
        followed: Followed | None,
        order: Order,
        work: "asyncio.Task[dict[str, Any]]",
    ) -> Task:
        """How an order ended; a failure is the task's own once its stream has begun."""
        try:
            return await self._task_of(outer, order, work.result())
        except Refused:
            if followed is None or followed.id is None:
                raise
        return await find(self._inside, outer, followed.id)

    async def _from_now(self, outer: Scope, id_: str) -> AsyncGenerator[Event]:
        async with self._inside.events(outer, EVENTS) as told:
            task = await find(self._inside, outer, id_)
            if task.status.state in ENDED:
                raise UnsupportedOperationError(OVER)
            yield task
            followed = followed_by(id_)
            async for event in about(followed, told):
                if followed.ends_with(event):
                    break
                if (update := news(followed, event)) is not None:
                    update.context_id = task.context_id
                    yield update
            else:  # The gateway stops; the task is subscribed to at another.
                return
        for last in last_words(await find(self._inside, outer, id_)):
            yield last
