"""Doubles that remember, as the services do: `test_gateway_doubles` holds them to the real ones."""

import asyncio
from dataclasses import dataclass, field

from contracts.chat import MessageView, PostMessage, PostReply
from contracts.errors import Busy, Conflict, Internal, Refusal
from contracts.task import InvokeAgent, InvokeReply
from tests.gateway import samples
from tests.support.gateways import StandIns


@dataclass
class ChatDouble:
    """Answers post_message; each turn ends once, when `free` is set."""

    services: StandIns
    free: asyncio.Event = field(default_factory=asyncio.Event)
    posted: dict[str, PostMessage] = field(default_factory=dict)
    ended: dict[str, MessageView] = field(default_factory=dict)
    _ending: set[asyncio.Task[None]] = field(default_factory=set)

    async def __call__(self, request: PostMessage) -> PostReply | Refusal:
        known = self.posted.get(request.turn_id)
        if known is not None:
            if known.content != request.content:
                return Conflict("This turn id was used for another message.")
            answer = self.ended.get(request.turn_id)
            return samples.posted(request).model_copy(update={"answer": answer})
        if request.task_id is not None and self._is_worked_on(request.task_id):
            return Busy("HubChat is still working on this task; wait for its answer.")
        self.posted[request.turn_id] = request
        if self.free.is_set():
            await self._end(request.turn_id)
        else:
            job = asyncio.create_task(self._end_when_free(request.turn_id))
            self._ending.add(job)
            job.add_done_callback(self._ending.discard)
        return samples.posted(request)

    def _is_worked_on(self, task_id: str) -> bool:
        return any(
            turn_id not in self.ended and post.task_id == task_id
            for turn_id, post in self.posted.items()
        )

    async def _end_when_free(self, turn_id: str) -> None:
        await self.free.wait()
        await self._end(turn_id)

    async def _end(self, turn_id: str) -> None:
        end = samples.turn_end(turn_id)
        self.ended[turn_id] = end.message
        await self.services.publish(end)


@dataclass
class TaskDouble:
    """Answers invoke_agent: the n-th try of any call ends as the script says, later ones as its
    last. A gate in the script is waited for, and what comes after it counts.
    """

    script: list[InvokeReply | Refusal | asyncio.Event]
    tries: list[str] = field(default_factory=list)
    _ends: dict[str, InvokeReply | Refusal | None] = field(default_factory=dict)

    async def __call__(self, request: InvokeAgent) -> InvokeReply | Refusal:
        first = str(request.step_id)
        if first in self._ends:
            end = self._ends[first]
            if end is None:
                return Busy("This call is still being carried out; ask again in a moment.")
            if isinstance(end, InvokeReply) or end.code < Internal.code:
                return end
        self._ends[first] = None
        self.tries.append(first)
        end = await self._next()
        self._ends[first] = end
        return end

    async def _next(self) -> InvokeReply | Refusal:
        while True:
            end = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            if not isinstance(end, asyncio.Event):
                return end
            await end.wait()
