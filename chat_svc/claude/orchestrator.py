"""Claude behind one key: a situation goes in, a move comes out, and the words on the way."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from opentelemetry.trace import SpanKind

from chassis.observability import telemetry
from chat_svc import measures
from chat_svc.claude import answers, troubles
from chat_svc.claude.conversation import messages
from chat_svc.claude.limits import Limits
from chat_svc.claude.listening import Heard
from chat_svc.claude.tool_params import tool_params
from chat_svc.orchestrator import Move, Say, Situation, Spoiled, Trouble, TryLater

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import Message

log = structlog.get_logger()
DEFAULT_MODEL = "claude-sonnet-5-5"
CONNECT_S = 10.0
SYSTEM = Path(__file__).with_name("system.md").read_text(encoding="utf-8")


class Claude:
    """Decides by the Messages API of Anthropic."""

    name = "claude"

    def __init__(
        self,
        api_key: str,
        model: str = DEFAULT_MODEL,
        *,
        base_url: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Make the client; nothing is asked yet.

        Args:
            api_key: of Anthropic.
            model: which Claude.
            base_url: where the API is, when not at Anthropic.
            limits: None for the usual ones.
        """
        # Imported here: the library doubles the memory of a process that has no key for it.
        import httpx2  # noqa: PLC0415 - as said above; the HTTP client of that library
        from anthropic import APIError, AsyncAnthropic, Timeout  # noqa: PLC0415 - as said above

        self.model = model
        measures.start_counting(model)
        self._limits = limits or Limits()
        self._tools = tool_params()
        self._api_error = APIError
        self._silent, self._broken = httpx2.TimeoutException, httpx2.HTTPError
        # It is not asked again in here: a turn that waits is stored, and waits across restarts.
        self._client: AsyncAnthropic = AsyncAnthropic(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            timeout=Timeout(self._limits.silence_s, connect=CONNECT_S),
            # Its spans would be of our trace, whose ids it would send to the API.
            open_telemetry={"propagation": False, "traces": False},
        )

    async def move(self, situation: Situation, say: Say) -> Move:
        """Ask Claude for the next move; see `Orchestrator.move`."""
        about = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": self.model,
        }
        cause = telemetry.current()
        with telemetry.spanning(f"chat {self.model}", SpanKind.CLIENT, cause, about):
            return await measures.counted(self.model, self._move(situation, say))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    async def _move(self, situation: Situation, say: Say) -> Move:
        request, heard = self._request(situation), Heard(self.model)
        try:
            message = await self._ask(request, situation.seconds_left, heard, say)
            move, rest = answers.move(message, heard, situation)
        except TryLater as later:
            if heard.tokens is None:
                raise
            raise Spoiled(later.message, heard.tokens) from later
        except Trouble as trouble:
            trouble.tokens = heard.tokens
            raise
        except Spoiled:
            raise
        except Exception as error:
            # An answer can be wrong in more ways than the library and we have names for.
            log.warning("answer not understood", error=error)
            raise troubles.unreadable(heard.tokens) from error
        if rest:
            await say(rest)
        return move

    async def _ask(
        self, request: dict[str, Any], seconds: float | None, heard: Heard, say: Say
    ) -> Message:
        """The answer, said to its end.

        Raises:
            Trouble: asking again would not help.
            Spoiled: it has no end.
            TryLater: there is none, or the connection failed.
        """
        limit = asyncio.timeout(min(self._limits.move_s, math.inf if seconds is None else seconds))
        try:
            async with limit, self._client.messages.stream(**request) as stream:
                await heard.listen(stream, say)
                if not heard.ended:
                    raise troubles.cut_off(heard.tokens)
                return await stream.get_final_message()
        except TimeoutError:
            if not limit.expired():
                raise
            raise troubles.too_slow() from None
        except self._api_error as error:
            raise troubles.from_api(error, self.model) from error
        except self._silent as error:
            raise troubles.too_slow() from error
        except self._broken as error:
            raise troubles.cut_connection() from error

    def _request(self, situation: Situation) -> dict[str, Any]:
        return {
            "model": self.model,
            "max_tokens": self._limits.output_tokens,
            "system": [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}],
            "tools": self._tools,
            "tool_choice": {"type": "none" if situation.last else "auto"},
            "messages": messages(situation, self._limits),
        }
