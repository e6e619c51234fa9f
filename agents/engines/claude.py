"""Claude through the anthropic library, for the agents that can use a real model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.errors import UnavailableError

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

TIMEOUT_SECONDS = 30.0
MAX_RETRIES = 1


class Claude:
    """One model behind one key. ANTHROPIC_BASE_URL is honoured by the library itself."""

    def __init__(self, api_key: str, model: str) -> None:
        self.name = f"anthropic:{model}"
        self._api_key = api_key
        self._model = model
        self._client: AsyncAnthropic | None = None

    async def ask(self, system: str, text: str, *, max_tokens: int) -> str:
        """Claude's answer to `text` under the instructions in `system`.

        Raises UnavailableError (503) when the API fails, is too slow or stops before the end.
        """
        # Imported here: the library doubles the memory of a process that has no key for it.
        from anthropic import AnthropicError, AsyncAnthropic  # noqa: PLC0415 (as said above)

        self._client = self._client or AsyncAnthropic(
            api_key=self._api_key, timeout=TIMEOUT_SECONDS, max_retries=MAX_RETRIES
        )
        try:
            message = await self._client.messages.create(
                model=self._model,
                max_tokens=max_tokens,
                system=system,
                messages=[{"role": "user", "content": text}],
            )
        except AnthropicError as error:
            reason = f"{type(error).__name__}: {error}"
            raise UnavailableError(f"Claude ({self._model}) did not answer: {reason}") from error

        answer = "".join(part.text for part in message.content if part.type == "text").strip()
        if message.stop_reason != "end_turn" or not answer:
            reason = f"it stopped before the end ({message.stop_reason})"
            raise UnavailableError(f"Claude ({self._model}) did not answer: {reason}")
        return answer
