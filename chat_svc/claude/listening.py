"""What is heard of an answer while it is said: its words, its tools' inputs, what it used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chat_svc.domain import readable
from chat_svc.orchestrator import Say, Tokens

if TYPE_CHECKING:
    from anthropic.lib.streaming import AsyncMessageStream

MOST_TOKENS = 2**31 - 1
"""The largest number of tokens that can be stored."""


@dataclass(slots=True)
class Heard:
    """An answer as far as it was heard.

    Attributes:
        model: which was asked.
        said: its words.
        inputs: of its tools, as they were written, by the place of the block.
        tokens: used so far; None while nothing was told of them.
        ended: whether it was said to the end.
    """

    model: str
    said: list[str] = field(default_factory=list)
    inputs: dict[int, str] = field(default_factory=dict)
    tokens: Tokens | None = None
    ended: bool = False

    @property
    def text(self) -> str:
        """All of its words."""
        return "".join(self.said)

    async def listen(self, stream: AsyncMessageStream[None], say: Say) -> None:
        """Hear it until it ends, and pass its words on.

        Raises:
            Exception: whatever the library makes of an answer that is not as it should be.
        """
        async for event in stream:
            piece = ""
            if event.type in ("message_start", "message_delta"):
                self._count(stream.current_message_snapshot)
            elif event.type == "content_block_start":
                piece = "\n\n" if event.content_block.type == "text" and self.said else ""
            elif event.type == "content_block_delta":
                if event.delta.type == "input_json_delta":
                    known = self.inputs.get(event.index, "")
                    self.inputs[event.index] = known + event.delta.partial_json
            elif event.type == "text":
                piece = readable(event.text.replace("\x00", ""))
            elif event.type == "message_stop":
                self.ended = True
            if piece:
                self.said.append(piece)
                await say(piece)

    def _count(self, message: object) -> None:
        """Take the numbers of a message; `input_tokens` are those beside the cache alone."""
        usage = getattr(message, "usage", None)
        if not hasattr(usage, "input_tokens"):
            return
        name = getattr(message, "model", None)
        fresh, output, cached, written = (
            _number(getattr(usage, kind, None))
            for kind in (
                "input_tokens",
                "output_tokens",
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
            )
        )
        self.tokens = Tokens(
            model=readable(name) if isinstance(name, str) and name else self.model,
            input=min(fresh + cached + written, MOST_TOKENS),
            output=output,
            cached=cached,
            written=written,
        )


def _number(value: object) -> int:
    """A count that was told; none for what is no count."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(value, 0), MOST_TOKENS)
