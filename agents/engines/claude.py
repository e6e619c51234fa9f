"""Claude through the anthropic library, for the agents that can use a real model."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from agents.errors import UnavailableError

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import Message

DEADLINE_SECONDS = 25.0
"""For the whole call with its second try and what the API has us wait before it: whoever asked an
agent waits half a minute."""
MAX_RETRIES = 1
TALKATIVE = ("anthropic", "httpx2", "httpcore2")
"""Loggers that tell what a person said when the environment (ANTHROPIC_LOG) asks them to."""


class Claude:
    """One model behind one key. ANTHROPIC_BASE_URL is honoured by the library itself."""

    def __init__(self, api_key: str, model: str, deadline: float = DEADLINE_SECONDS) -> None:
        self.name = f"anthropic:{model}"
        self._deadline = deadline
        self._api_key = api_key
        self._model = model
        self._client: AsyncAnthropic | None = None

    async def ask(self, system: str, text: str, *, max_tokens: int) -> str:
        """Claude's answer to `text` under the instructions in `system`.

        Raises UnavailableError (503) when the API fails, is too slow or stops before the end.
        """
        try:
            async with asyncio.timeout(self._deadline):
                message = await self._message(system, text, max_tokens)
            answer = "".join(part.text for part in message.content if part.type == "text").strip()
            whole = message.stop_reason == "end_turn" and bool(answer)
            reason = f"it stopped before the end ({message.stop_reason})"
        except Exception as error:
            # A library has many names for what fails, and an answer can be wrong in more ways.
            reason = f"{type(error).__name__}: {error}"
            raise UnavailableError(f"Claude ({self._model}) did not answer: {reason}") from error
        if not whole:
            raise UnavailableError(f"Claude ({self._model}) did not answer: {reason}")
        return answer

    async def _message(self, system: str, text: str, max_tokens: int) -> Message:
        client = self._client = self._client or self._connected()
        return await client.messages.create(
            model=self._model,
            max_tokens=max_tokens,
            system=system,
            messages=[{"role": "user", "content": text}],
        )

    def _connected(self) -> AsyncAnthropic:
        from anthropic import AsyncAnthropic  # noqa: PLC0415  (without a key, nobody pays its memory)

        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        return AsyncAnthropic(
            api_key=self._api_key,
            timeout=self._deadline,
            max_retries=MAX_RETRIES,
            # Whose trace it is called in is nothing to the API.
            open_telemetry={"propagation": False, "traces": False},
        )
