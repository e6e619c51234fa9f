"""Claude behind one key: a situation goes in, a move comes out, and the words on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chat_svc import measures
from chat_svc.claude import answers, troubles
from chat_svc.claude.conversation import messages
from chat_svc.claude.limits import Limits
from chat_svc.claude.tool_params import tool_params
from chat_svc.orchestrator import Move, Say, Situation

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.lib.streaming import AsyncMessageStream
    from anthropic.types import Message

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
        )

    async def move(self, situation: Situation, say: Say) -> Move:
        """Ask Claude for the next move; see `Orchestrator.move`."""
        return await measures.counted(self.model, self._move(situation, say))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    async def _move(self, situation: Situation, say: Say) -> Move:
        request = self._request(situation)
        limit = asyncio.timeout(self._limits.move_s)
        try:
            async with limit, self._client.messages.stream(**request) as stream:
                message, text = await _listen(stream, say)
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
        except ValueError as error:
            raise troubles.unreadable() from error
        if message is None:
            raise troubles.cut_connection()
        move, rest = answers.move(message, text, situation)
        if rest:
            await say(rest)
        return move

    def _request(self, situation: Situation) -> dict[str, Any]:
        return {
            "model": self.model,
            "max_tokens": self._limits.output_tokens,
            "system": [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}],
            "tools": self._tools,
            "tool_choice": {"type": "none" if situation.last else "auto"},
            "messages": messages(situation, self._limits),
        }


async def _listen(stream: AsyncMessageStream[None], say: Say) -> tuple[Message | None, str]:
    """The message and the text that was said of it; no message when it was not said to the end."""
    said: list[str] = []
    ended = False
    async for event in stream:
        piece = ""
        if event.type == "content_block_start" and event.content_block.type == "text" and said:
            piece = "\n\n"
        elif event.type == "text":
            piece = event.text.replace("\x00", "")
        elif event.type == "message_stop":
            ended = True
        if piece:
            said.append(piece)
            await say(piece)
    return (await stream.get_final_message() if ended else None), "".join(said)
